//! The exporter's stack trace parsers, and the one it lacks: Rust's.

use serde_json::{Value as Json, json};
use throughline_xray::Options;

use crate::support;

/// Frames as `label|path|line`, an exception as `type: message`; the event's own is `Kind: said`.
fn check(name: &str, language: &str, trace: &str, expect: &[(&str, &[&str])]) {
    let case = json!({
        "kind": "client", "resource": {"telemetry.sdk.language": language},
        "events": [["exception", {
            "exception.type": "Kind", "exception.message": "said", "exception.stacktrace": trace,
        }]],
    });
    let document = support::documents(&case, &Options::collector()).remove(0);
    let exceptions = document["cause"]["exceptions"].as_array().unwrap();
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    let found: Vec<(String, Vec<String>)> = exceptions
        .iter()
        .map(|exception| {
            assert_eq!(exception["remote"], true, "{name}");
            assert_eq!(text(&exception["id"]).len(), 16, "{name}");
            let frames = exception["stack"].as_array().into_iter().flatten();
            let frames =
                frames.map(|it| format!("{}|{}|{}", text(&it["label"]), text(&it["path"]), it["line"]));
            (format!("{}: {}", text(&exception["type"]), text(&exception["message"])), frames.collect())
        })
        .collect();
    let expect: Vec<(String, Vec<String>)> = expect
        .iter()
        .map(|(said, frames)| ((*said).to_owned(), frames.iter().map(|frame| (*frame).to_owned()).collect()))
        .collect();
    assert_eq!(found, expect, "{name}");
    for pair in exceptions.windows(2) {
        assert_eq!(pair[0]["cause"], pair[1]["id"], "{name}: each names its cause");
    }
}

const OWN: &str = "Kind: said";

#[test]
fn any_language() {
    check("ParseExceptionWithoutStacktrace, …WithoutMessage", "java", "", &[(OWN, &[])]);
    for (name, trace) in [
        ("StacktraceNotJava", "X: y\n\tat a.B.c(B.java:1)"),
        ("StacktraceNotJavaScript", "X: y\n    at a (/b.js:1:2)"),
    ] {
        check(name, "", trace, &[(OWN, &[])]);
    }
}

const JAVA: &str = "java.lang.IllegalStateException: state is not legal
\tat io.opentelemetry.sdk.trace.RecordEventsReadableSpanTest.recordException(RecordEventsReadableSpanTest.java:626)
\tat java.base/jdk.internal.reflect.NativeMethodAccessorImpl.invoke0(Native Method)
\tat java.base/jdk.internal.reflect.NativeMethodAccessorImpl.invoke(NativeMethodAccessorImpl.java:62)
";
const JAVA_FRAMES: [&str; 3] = [
    "io.opentelemetry.sdk.trace.RecordEventsReadableSpanTest.recordException|RecordEventsReadableSpanTest.java|626",
    "jdk.internal.reflect.NativeMethodAccessorImpl.invoke0|Native Method|0",
    "jdk.internal.reflect.NativeMethodAccessorImpl.invoke|NativeMethodAccessorImpl.java|62",
];

#[test]
fn java() {
    let check = |name, rest: &str, expect: &[(&str, &[&str])]| {
        super::stack::check(name, "java", &format!("{JAVA}{rest}"), expect);
    };
    let own = (OWN, &JAVA_FRAMES[..]);
    check("JavaStacktraceNoCause", "", &[own]);
    check(
        "JavaStacktraceAndCauseWithoutStacktrace",
        "Caused by: java.lang.IllegalArgumentException: bad argument",
        &[own, ("java.lang.IllegalArgumentException: bad argument", &[])],
    );
    check(
        "JavaStacktraceAndCauseWithoutMessageOrStacktrace",
        "Caused by: java.lang.IllegalArgumentException",
        &[own, ("java.lang.IllegalArgumentException: ", &[])],
    );
    check(
        "JavaStacktraceAndCauseWithStacktrace",
        "Caused by: java.lang.IllegalArgumentException: bad argument\n\tat org.x.Collector.execute(Collector.java:73)\n\
         \tat org.x.Task.run(Task.java)",
        &[
            own,
            (
                "java.lang.IllegalArgumentException: bad argument",
                &["org.x.Collector.execute|Collector.java|73", "org.x.Task.run|Task.java|0"],
            ),
        ],
    );
    let mut four = JAVA_FRAMES.to_vec();
    four.push("java.util.ArrayList.forEach|ArrayList.java|0");
    check(
        "JavaStacktraceAndCauseWithStacktraceSkipCommonAndSuppressedAndMalformed",
        "\tSuppressed: Resource$CloseFailException: Resource ID = 2\n\t\tat Resource.close(Resource.java:26)\n\
         \t\tSuppressed: java.lang.Error: x\n\t\t\t... 2 more\n\tat java.util.ArrayList.forEach(ArrayList.java:)\n\
         \tat malformed (no end\n\tat malformed\n\t... 99 more\n\
         Caused by: java.lang.IllegalArgumentException: bad argument\n\
         \tat org.x.Collector.execute(Collector.java:73)\n\t... 99 more",
        &[
            (OWN, &four),
            (
                "java.lang.IllegalArgumentException: bad argument",
                &["org.x.Collector.execute|Collector.java|73"],
            ),
        ],
    );
}

#[test]
fn python() {
    let check =
        |name, trace: &str, expect: &[(&str, &[&str])]| super::stack::check(name, "python", trace, expect);
    let own = "Traceback (most recent call last):
  File \"main.py\", line 14, in <module>
    greet_many(['Chad', 'Dan', 1])
  File \"greetings.py\", line 12, in greet_many
    print('hi, ' + person)
TypeError: must be str, not int";
    let own_is: (&str, &[&str]) = (OWN, &["greet_many|greetings.py|12", "<module>|main.py|14"]);
    check("PythonStacktraceNoCause", own, &[own_is]);
    let chained = |cause: &str| {
        format!("{cause}\n\nDuring handling of the above exception, another exception occurred:\n\n{own}")
    };
    let cause = |message: &str| {
        format!(
            "Traceback (most recent call last):\n  File \"bar.py\", line 10, in greet_many\n    greet(person)\n  \
             File \"foo.py\", line 5, in greet\n    print(greeting)\n{message}"
        )
    };
    let frames: &[&str] = &["greet|foo.py|5", "greet_many|bar.py|10"];
    check(
        "PythonStacktraceAndCause",
        &chained(&cause("ValueError: bad value")),
        &[own_is, ("ValueError: bad value", frames)],
    );
    check(
        "PythonStacktraceAndMultiLineCause",
        &chained(&cause("ValueError: bad value\nwith more on\nnew lines")),
        &[own_is, ("ValueError: bad value\nwith more on\nnew lines", frames)],
    );
    check(
        "PythonStacktraceMalformedLines",
        "Traceback (most recent call last):
  File \"main.py\", line 14 in <module>
  File \"main.py\", lin 14, in <module>
  File \"main.py\", line 14, fin <module>
  File \"greetings.py\", line 12, in greet_many
TypeError: must be str, not int",
        &[(OWN, &["greet_many|greetings.py|12", "|main.py|14", "<module>|main.py|0"])],
    );
    check(
        "PythonStacktraceAndMalformedCause",
        &chained("Traceback (most recent call last):\nValueError: bad value"),
        &[own_is],
    );
    check("PythonStacktraceAndMalformedCauseMessage", &chained(&cause("ValueError bad value")), &[own_is]);
    // Ours: `raise ... from`, and the marks that Python 3.11 puts under a line.
    check(
        "direct cause",
        &format!(
            "{}\n\nThe above exception was the direct cause of the following exception:\n\n{own}",
            cause("    ^^^^^^^^\nKeyError: 'x'")
        ),
        &[own_is, ("KeyError: 'x'", frames)],
    );
}

#[test]
fn javascript() {
    for language in ["javascript", "nodejs", "webjs"] {
        check(
            "JavaScriptStacktrace",
            language,
            "TypeError: Cannot read property 'value' of null
    at speedy (/home/gbusey/file.js:6:11)
    at makeFaster (/home/gbusey/file.js:5:3)
    at Object.<anonymous> (/home/gbusey/file.js:10:1)
    at node.js:906:3
    at Array.forEach (native)
    at native",
            &[(
                OWN,
                &[
                    "speedy |/home/gbusey/file.js|6",
                    "makeFaster |/home/gbusey/file.js|5",
                    "Object.<anonymous> |/home/gbusey/file.js|10",
                    "|node.js|906",
                    "Array.forEach |native|0",
                    "|native|0",
                ],
            )],
        );
    }
    check(
        "JavaScriptStactracekMalformedLines",
        "javascript",
        "TypeError: x
    at speedy (/home/gbusey/file.js)
    at makeFaster (/home/gbusey/file.js:5:3)malformed123
    at Object.<anonymous> (/home/gbusey/file.js:10",
        &[(OWN, &["speedy |/home/gbusey/file.js|0"])],
    );
    // Departs: the exporter ends the path at the first colon.
    check(
        "urls",
        "webjs",
        "Error: x\n    at f (https://app.example.com:8443/assets/a.js:1:2345)\n    at node:internal/timers:581:17",
        &[(OWN, &["f |https://app.example.com:8443/assets/a.js|1", "|node:internal/timers|581"])],
    );
}

#[test]
fn dotnet() {
    check(
        "SimpleStacktrace",
        "dotnet",
        "System.FormatException: Input string was not in a correct format.
\tat System.Number.ThrowOverflowOrFormatException(ParsingStatus status, TypeCode type)
\tat System.Number.ParseInt32(ReadOnlySpan1 value, NumberStyles styles)
\tat System.Int32.Parse(String s)
\tat MyNamespace.IntParser.Parse(String s) in C:\\apps\\MyNamespace\\IntParser.cs:line 11
\tat MyNamespace.Program.Main(String[] args) in C:\\apps\\MyNamespace\\Program.cs:line 12",
        &[(
            OWN,
            &[
                "System.Number.ThrowOverflowOrFormatException(ParsingStatus status, TypeCode type)||0",
                "System.Number.ParseInt32(ReadOnlySpan1 value, NumberStyles styles)||0",
                "System.Int32.Parse(String s)||0",
                "MyNamespace.IntParser.Parse(String s)|C:\\apps\\MyNamespace\\IntParser.cs|11",
                "MyNamespace.Program.Main(String[] args)|C:\\apps\\MyNamespace\\Program.cs|12",
            ],
        )],
    );
    check(
        "InnerExceptionStacktrace",
        "dotnet",
        "System.Exception: test
 ---> System.Exception: inner
   at App.Controller.Call() in /src/Controller.cs:line 20
   --- End of inner exception stack trace ---
   at App.Controller.Get() in /src/Controller.cs:line 10
   at lambda_method(Closure , Object )",
        &[(
            OWN,
            &[
                "App.Controller.Call()|/src/Controller.cs|20",
                "App.Controller.Get()|/src/Controller.cs|10",
                "lambda_method(Closure , Object )||0",
            ],
        )],
    );
    check(
        "MalformedStacktrace",
        "dotnet",
        "System.Exception: test
   at App.Controller.Call( in /src/Controller.cs:line 20
   at malformed
   App.Controller.None()
   at App.Controller.Get()",
        &[(OWN, &["App.Controller.Call(|/src/Controller.cs|20", "App.Controller.Get()||0"])],
    );
}

#[test]
fn php() {
    let check =
        |name, trace: &str, expect: &[(&str, &[&str])]| super::stack::check(name, "php", trace, expect);
    let own = "Exception: Thrown from class B
\tat B.exc(test.php:48)
\tat C.doexc(test.php:56)
\tat fail(test.php:41)
\tat main(test.php:71)";
    let own_is: (&str, &[&str]) =
        (OWN, &["B.exc|test.php|48", "C.doexc|test.php|56", "fail|test.php|41", "main|test.php|71"]);
    check("PhpStacktrace", own, &[own_is]);
    check("PhpWithoutStacktrace", "Exception: Thrown from class B", &[(OWN, &[])]);
    check(
        "PhpStacktraceWithCause",
        &format!("{own}\nCaused by: Exception: from A"),
        &[own_is, ("Exception: from A", &[])],
    );
    let with_stack = format!("{own}\nCaused by: Exception: from A\n\tat A.exc(test.php:7)\n\t... 2 more");
    let cause: (&str, &[&str]) = ("Exception: from A", &["A.exc|test.php|7"]);
    check("PhpStacktraceWithCauseAndStacktrace", &with_stack, &[own_is, cause]);
    check(
        "PhpStacktraceWithMultipleCause",
        &format!("{with_stack}\nCaused by: Exception: from Z\n\tat Z.exc(test.php:3)"),
        &[own_is, cause, ("Exception: from Z", &["Z.exc|test.php|3"])],
    );
    check(
        "PhpStacktraceMalformedLines",
        "Exception: Thrown\n\tat B.exc(test.php:48)\n\tat C.doexc(test.php\n at fail(test.php:41)\n\tat main(test.php:71)",
        &[(OWN, &["B.exc|test.php|48", "main|test.php|71"])],
    );
}

#[test]
fn go() {
    check("GoWithoutStacktrace", "go", "runtime error: index out of range", &[(OWN, &[])]);
    let one = "goroutine 19 [running]:
go.opentelemetry.io/otel/sdk/trace.recordStackTrace(0x0, 0x0)
\t/root/go/pkg/mod/sdk/trace/span.go:323 +0x9b
main.foo(...)
\tapp/main.go:43
main.main()
\t/app/main.go:12 +0x1d
created by net/http.(*Server).Serve
\t/usr/local/go/src/net/http/server.go:3013 +0x645
runtime.goexit()
\t/usr/local/go/src/runtime/asm.s:1 +0x1
";
    let frames: &[&str] = &[
        "go.opentelemetry.io/otel/sdk/trace.recordStackTrace(0x0, 0x0)|/root/go/pkg/mod/sdk/trace/span.go|323",
        "main.foo(...)|app/main.go|43",
        "main.main()|/app/main.go|12",
        "created by net/http.(*Server).Serve|/usr/local/go/src/net/http/server.go|3013",
        "runtime.goexit()|/usr/local/go/src/runtime/asm.s|1",
    ];
    check("GoWithStacktrace", "go", one, &[(OWN, frames)]);
    let twice = [frames, frames].concat();
    check(
        "GoStacktraceMultipleGoroutines",
        "go",
        &format!("{one}\n{}", one.replace("19", "7")),
        &[(OWN, &twice)],
    );
}

/// Ours: the exporter reads no Rust.
#[test]
fn rust() {
    check(
        "std::backtrace::Backtrace",
        "rust",
        "   0: std::backtrace_rs::backtrace::libunwind::trace
             at /rustc/9fc6b43126469e3858e2fe86cafb4f0fd5068869/library/std/src/../../backtrace/src/backtrace/libunwind.rs:116:5
   1: activities::store::Store::find::{{closure}}
             at ./crates/activities/src/store.rs:41:18
   2: <core::pin::Pin<P> as core::future::future::Future>::poll::h0123456789abcdef
  10: main",
        &[(
            OWN,
            &[
                "std::backtrace_rs::backtrace::libunwind::trace|/rustc/9fc6b43126469e3858e2fe86cafb4f0fd5068869/library/std/src/../../backtrace/src/backtrace/libunwind.rs|116",
                "activities::store::Store::find::{{closure}}|./crates/activities/src/store.rs|41",
                "<core::pin::Pin<P> as core::future::future::Future>::poll||0",
                "main||0",
            ],
        )],
    );
    check(
        "a panic, and the full style",
        "rust",
        "thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds: the len is 3\nstack backtrace:\n   0:     0x55d0c0 - __rustc::rust_begin_unwind\n                               at /rustc/x/library/std/src/panicking.rs:689:5\n   1:     0x55d0c1 - app::main\nnote: Some details are omitted",
        &[(OWN, &["__rustc::rust_begin_unwind|/rustc/x/library/std/src/panicking.rs|689", "app::main||0"])],
    );
    check(
        "anyhow, {:?}",
        "rust",
        "no feed for you\n\nCaused by:\n    0: the pool is empty\n    1: connection refused (os error 111)\n\nStack backtrace:\n   0: anyhow::error::<impl>::from\n             at /cargo/anyhow/src/backtrace.rs:27:14\n   1: app::feed\n             at src\\feed.rs:7",
        &[
            (
                OWN,
                &[
                    "anyhow::error::<impl>::from|/cargo/anyhow/src/backtrace.rs|27",
                    "app::feed|src\\feed.rs:7|0",
                ],
            ),
            (": the pool is empty", &[]),
            (": connection refused (os error 111)", &[]),
        ],
    );
    check("no backtrace", "rust", "disabled backtrace", &[(OWN, &[])]);
    let deep: Vec<String> = (0..100).map(|number| format!("  {number}: f{number}")).collect();
    let frames: Vec<String> = (0..64).map(|number| format!("f{number}||0")).collect();
    let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
    check("deep", "rust", &deep.join("\n"), &[(OWN, &frames)]);
}
