//! Rollbar's items: what is taken, how they are grouped, what is shown of them.

use serde_json::{Value, json};

use crate::support::{Answer, Console, GZIP, JSON, TempDir, gzip, request};

const TOKEN: (&str, &str) = ("x-rollbar-access-token", "any");
const TRACE: &str = "68b329da9893e34099c7d8ad5cb9c940";

/// An error with two frames, of which only the line numbers may differ.
fn item(class: &str, line: u32) -> Value {
    json!({ "data": {
        "environment": "test", "level": "error", "timestamp": 1_700_000_000,
        "platform": "linux", "language": "rust", "code_version": "abc123", "context": "GET /api/{id}",
        "body": { "trace": {
            "frames": [{ "filename": "src/main.rs", "lineno": line, "method": "main" },
                       { "filename": "src/db.rs", "lineno": line + 1, "method": "db::load", "code": "pool.get()?" }],
            "exception": { "class": class, "message": format!("pool timed out after {line} ms") } } },
        "server": { "host": "gateway-1" } } })
}

fn post(console: &Console, path: &str, body: &Value) -> Answer {
    request(console.ports.web, "POST", path, &[JSON, TOKEN], body.to_string().as_bytes())
}

/// Sends an item that must be taken, and gives its uuid.
fn send(console: &Console, item: &Value) -> String {
    let answer = post(console, "/api/1/item/", item);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["err"], 0);
    answer.json()["result"]["uuid"].as_str().unwrap().to_owned()
}

fn groups(console: &Console, query: &str) -> Vec<Value> {
    console.json(&format!("/api/errors?{query}"))["groups"].as_array().unwrap().clone()
}

fn with(mut item: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    item.pointer_mut(parent).unwrap()[key] = value;
    item
}

#[test]
fn an_error_with_its_occurrences() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let first = with(item("sqlx::Error", 10), "/data/person", json!({ "id": 17, "username": "andrew" }));
    let first = with(
        first,
        "/data/attributes",
        json!([{ "key": "trace_id", "value": TRACE }, { "key": "span_id", "value": "00f067aa0ba902b7" }]),
    );
    send(&console, &first);
    let uuid = "0d6f0c2e-6f0b-4f4e-9a3b-2a2d7e1f0001";
    let second = with(item("sqlx::Error", 99), "/data/uuid", json!(uuid));
    let second = with(second, "/data/timestamp", json!(1_700_000_060.5));
    assert_eq!(send(&console, &second), uuid);
    // Sent again, as after an answer that was lost.
    assert_eq!(send(&console, &second), uuid);

    let found = groups(&console, "");
    assert_eq!(found.len(), 1, "line numbers make no new error: {found:?}");
    let mut group = found[0].clone();
    let id = group["id"].as_str().unwrap().to_owned();
    for key in ["id", "fingerprint"] {
        group.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(
        group,
        json!({ "title": "sqlx::Error: pool timed out after 99 ms", "level": "error", "status": "active",
            "environment": "test", "service": "gateway-1", "context": "GET /api/{id}", "count": 2, "people": 1,
            "first_seen_unix_nano": 1_700_000_000_000_000_000_i64, "last_seen_unix_nano": 1_700_000_060_500_000_000_i64,
            "last_trace_id": TRACE })
    );
    let error = console.json(&format!("/api/errors/{id}"));
    assert_eq!(error["group"]["count"], 2);
    let (newest, oldest) = (&error["occurrences"][0], &error["occurrences"][1]);
    assert_eq!(
        (&newest["uuid"], &newest["trace_id"], &newest["person"]),
        (&json!(uuid), &json!(null), &json!(null))
    );
    assert_eq!(
        (&oldest["trace_id"], &oldest["span_id"], &oldest["person"], &oldest["code_version"]),
        (&json!(TRACE), &json!("00f067aa0ba902b7"), &json!("17"), &json!("abc123"))
    );
    assert_eq!(
        oldest["trace_chain"][0]["frames"][1],
        json!({ "file": "src/db.rs", "line": 11, "column": null, "method": "db::load", "code": "pool.get()?" })
    );
    assert_eq!(oldest["person_details"]["username"], "andrew");

    let stats = console.json("/api/stats");
    let of = |what: &str| stats[what]["rollbar"].as_u64().unwrap();
    assert_eq!((of("received"), of("stored"), of("duplicates"), of("dropped")), (3, 2, 1, 0));
    assert_eq!((&stats["errors"], &stats["occurrences"]), (&json!(1), &json!(2)));
}

#[test]
fn what_makes_one_error_of_many() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let message = |text: &str| json!({ "data": { "environment": "test", "body": { "message": { "body": text, "route": "/x" } } } });
    let chain = |classes: [&str; 2]| {
        let traces =
            classes.map(|class| json!({ "frames": [], "exception": { "class": class, "message": "x" } }));
        json!({ "data": { "environment": "test", "body": { "trace_chain": traces } } })
    };
    let long = "f".repeat(41);
    let cases = [
        ("another class", item("A", 1), item("B", 1), false),
        ("another line", item("A", 1), item("A", 2), true),
        (
            "another method",
            item("A", 1),
            with(item("A", 1), "/data/body/trace/frames/0/method", json!("run")),
            false,
        ),
        ("another environment", item("A", 1), with(item("A", 1), "/data/environment", json!("other")), false),
        ("numbers in a message", message("user 17 not found"), message("user 18 not found"), true),
        ("words in a message", message("user 17 not found"), message("user 17 is blocked"), false),
        ("another cause", chain(["A", "B"]), chain(["A", "C"]), false),
        (
            "a fingerprint",
            with(item("A", 1), "/data/fingerprint", json!("f")),
            with(item("B", 1), "/data/fingerprint", json!("f")),
            true,
        ),
        (
            "a long one",
            with(item("A", 1), "/data/fingerprint", json!(long)),
            with(item("B", 1), "/data/fingerprint", json!(long)),
            true,
        ),
    ];
    for (place, (name, first, second, is_one)) in cases.into_iter().enumerate() {
        // Each case in environments of its own.
        let own = |item: Value| {
            let environment = format!("{place}-{}", item["data"]["environment"].as_str().unwrap());
            with(item, "/data/environment", json!(environment))
        };
        let (first, second) = (own(first), own(second));
        send(&console, &first);
        send(&console, &second);
        let environments =
            [&first, &second].map(|item| item["data"]["environment"].as_str().unwrap().to_owned());
        let mut found: Vec<Value> =
            environments.iter().flat_map(|it| groups(&console, &format!("environment={it}"))).collect();
        found.dedup();
        assert_eq!(found.len() == 1, is_one, "{name}: {found:?}");
        assert!(found[0]["fingerprint"].as_str().unwrap().len() <= 40, "{name}");
    }
    let message = &groups(&console, "environment=4-test")[0];
    assert_eq!((&message["title"], &message["level"]), (&json!("user 18 not found"), &json!("info")));
}

#[test]
fn where_the_trace_is_said() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let xray = format!("1-{}-{}", &TRACE[..8], &TRACE[8..]);
    let header = |name: &str, value: String| json!({ "headers": { name: value } });
    let places = [
        ("/data/custom", json!({ "trace_id": TRACE })),
        ("/data/custom", json!({ "xray_trace_id": xray })),
        ("/data/custom", json!({ "trace": { "trace_id": TRACE } })),
        ("/data/custom", json!({ "trace_id": "no id", "traceId": TRACE })),
        ("/data/attributes", json!([{ "key": "trace_id", "value": TRACE }])),
        ("/data/request", header("Traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))),
        ("/data/request", header("X-Amzn-Trace-Id", format!("Self=1-2-3;Root={xray};Sampled=1"))),
    ];
    for (place, value) in places {
        let uuid = send(&console, &with(item("A", 1), place, value.clone()));
        let id = groups(&console, &format!("trace_id={xray}"))[0]["id"].as_str().unwrap().to_owned();
        let error = console.json(&format!("/api/errors/{id}?limit=1"));
        let newest = &error["occurrences"][0];
        assert_eq!((&newest["uuid"], &newest["trace_id"]), (&json!(uuid), &json!(TRACE)), "{place} {value}");
    }
    assert_eq!(groups(&console, "trace_id=00000000000000000000000000000001").len(), 0);
}

#[test]
fn resolved_errors_that_come_again_are_regressions() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    send(&console, &item("A", 1));
    let id = groups(&console, "")[0]["id"].as_str().unwrap().to_owned();
    let set = |status: &str| {
        let body = json!({ "status": status }).to_string();
        request(console.ports.web, "POST", &format!("/api/errors/{id}"), &[JSON], body.as_bytes())
    };
    let listed = |status: &str| groups(&console, &format!("status={status}")).len();
    assert_eq!(set("resolved").json()["group"]["status"], "resolved");
    assert_eq!((listed("active"), listed("resolved"), listed("all")), (0, 1, 1));
    send(&console, &item("A", 2));
    assert_eq!(groups(&console, "")[0]["status"], "regression");
    assert_eq!((listed("active"), listed("resolved")), (1, 0));
    assert_eq!(set("active").json()["group"]["status"], "active");
    assert_eq!((set("regression").status, set("nothing").status), (400, 400));
    let other = request(console.ports.web, "POST", "/api/errors/999", &[JSON], br#"{"status":"resolved"}"#);
    assert_eq!(other.status, 404);

    // A storm that its sender counted: one item, many errors.
    send(&console, &with(item("A", 3), "/data/custom", json!({ "suppressed": 97 })));
    assert_eq!(groups(&console, "")[0]["count"], 100);
}

#[test]
fn deploys() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let deploy = json!({ "environment": "test", "revision": "abc123", "local_username": "me", "comment": "first", "status": "started" });
    let answer = post(&console, "/api/1/deploy/", &deploy);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.json()["data"]["deploy_id"].as_i64().unwrap();
    let change = |id: i64, status: &str| {
        let body = json!({ "status": status }).to_string();
        let path = format!("/api/1/deploy/{id}?access_token=any");
        request(console.ports.web, "PATCH", &path, &[JSON], body.as_bytes()).status
    };
    assert_eq!((change(id, "succeeded"), change(id, "perhaps"), change(99, "failed")), (200, 422, 404));
    assert_eq!(post(&console, "/api/1/deploy", &json!({ "revision": "x" })).status, 422);
    send(&console, &item("A", 1));
    let id = groups(&console, "")[0]["id"].as_str().unwrap().to_owned();
    let deploys = console.json(&format!("/api/errors/{id}"))["deploys"].clone();
    let expect = ("abc123", "succeeded", "me", "first");
    let deploy = &deploys[0];
    let text = |key: &str| deploy[key].as_str().unwrap();
    assert_eq!((text("revision"), text("status"), text("user"), text("comment")), expect);
}

#[test]
fn what_is_refused_and_how() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let good = item("A", 1);
    let without = |pointer: &str| with(good.clone(), pointer, Value::Null);
    let message = json!({ "body": "x" });
    for (name, item, status, says) in [
        ("no data", json!({}), 422, "data: is required"),
        ("no environment", without("/data/environment"), 422, "data.environment: is required"),
        ("no body", without("/data/body"), 422, "data.body: is required"),
        ("an empty body", with(good.clone(), "/data/body", json!({})), 422, "needs one of"),
        (
            "two bodies",
            with(good.clone(), "/data/body/message", message),
            422,
            "trace and message; exactly one",
        ),
        ("no class", without("/data/body/trace/exception/class"), 422, "data.body.trace.exception.class"),
        ("no frames", without("/data/body/trace/frames"), 422, "data.body.trace.frames"),
        (
            "a frame that is none",
            with(good.clone(), "/data/body/trace/frames", json!([{ "filename": "a" }, 7])),
            422,
            "frames[1]",
        ),
        ("an unknown level", with(good.clone(), "/data/level", json!("loud")), 422, "data.level"),
        ("a long uuid", with(good.clone(), "/data/uuid", json!("u".repeat(37))), 422, "data.uuid"),
        ("a time that is none", with(good.clone(), "/data/timestamp", json!("now")), 200, ""),
        ("a time out of time", with(good.clone(), "/data/timestamp", json!(1e300)), 200, ""),
        ("a person by number", with(good.clone(), "/data/person", json!({ "id": 1e9 })), 200, ""),
        (
            "deep nonsense",
            with(good.clone(), "/data/custom", json!({ "a": [[[[{}]]]], "trace_id": {} })),
            200,
            "",
        ),
    ] {
        let answer = post(&console, "/api/1/item/", &item);
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert!(
            answer.json()["message"].as_str().unwrap_or_default().contains(says),
            "{name}: {}",
            answer.text()
        );
        assert_eq!(answer.json()["err"], i32::from(status != 200), "{name}");
    }
    let body = good.to_string();
    let raw = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        request(console.ports.web, method, path, headers, body).status
    };
    let big = with(good.clone(), "/data/custom", json!({ "x": "x".repeat(2 << 20) })).to_string();
    let form =
        format!("payload={}", url::form_urlencoded::byte_serialize(body.as_bytes()).collect::<String>());
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    for (name, status, expect) in [
        ("without the slash", raw("POST", "/api/1/item", &[TOKEN], body.as_bytes()), 200),
        ("gzip", raw("POST", "/api/1/item/", &[TOKEN, GZIP], &gzip(body.as_bytes())), 200),
        ("a form", raw("POST", "/api/1/item/", &[TOKEN, form_type], form.as_bytes()), 200),
        (
            "JSON that says it is a form",
            raw("POST", "/api/1/item/", &[TOKEN, form_type], body.as_bytes()),
            200,
        ),
        ("no token", raw("POST", "/api/1/item/", &[JSON], body.as_bytes()), 401),
        (
            "an empty token",
            raw("POST", "/api/1/item/", &[("x-rollbar-access-token", "")], body.as_bytes()),
            401,
        ),
        ("no JSON", raw("POST", "/api/1/item/", &[TOKEN], b"{\"data\":"), 400),
        ("nested without end", raw("POST", "/api/1/item/", &[TOKEN], &b"[".repeat(100_000)), 400),
        ("not gzip", raw("POST", "/api/1/item/", &[TOKEN, GZIP], b"{}"), 400),
        ("brotli", raw("POST", "/api/1/item/", &[TOKEN, ("content-encoding", "br")], b"{}"), 415),
        ("2 MiB", raw("POST", "/api/1/item/", &[TOKEN], big.as_bytes()), 413),
        ("2 MiB, packed", raw("POST", "/api/1/item/", &[TOKEN, GZIP], &gzip(big.as_bytes())), 413),
        ("GET", raw("GET", "/api/1/item/", &[TOKEN], b""), 405),
        (
            "another host",
            raw("POST", "/api/1/item/", &[TOKEN, ("host", "evil.example")], body.as_bytes()),
            403,
        ),
        (
            "another origin",
            raw("POST", "/api/1/item/", &[TOKEN, ("origin", "https://evil.example")], body.as_bytes()),
            403,
        ),
        (
            "a page of this machine",
            raw("POST", "/api/1/item/", &[TOKEN, ("origin", "http://localhost:3000")], body.as_bytes()),
            200,
        ),
    ] {
        assert_eq!(status, expect, "{name}");
    }
    let stats = console.json("/api/stats");
    let of = |what: &str| stats[what]["rollbar"].as_u64().unwrap();
    assert_eq!(of("received"), of("stored") + of("duplicates") + of("dropped"));
    assert_eq!(stats["rollbar"]["refused"], json!({ "invalid": 10 }));

    // What a browser asks before it sends.
    let preflight = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,signal"),
        ];
        let answer = request(console.ports.web, "OPTIONS", "/api/1/item/", &headers, b"");
        (
            answer.header("access-control-allow-origin").map(str::to_owned),
            answer.header("access-control-allow-headers").map(str::to_owned),
        )
    };
    let expect = (Some("http://127.0.0.1:3000".to_owned()), Some("content-type,signal".to_owned()));
    assert_eq!(preflight("http://127.0.0.1:3000"), expect);
    assert_eq!(preflight("https://evil.example"), (None, None));
}

#[test]
fn a_storm_keeps_the_newest_and_the_count() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    for line in 1..=1_005 {
        send(&console, &item("A", line));
    }
    let group = &groups(&console, "")[0];
    assert_eq!(group["count"], 1_005);
    let stats = console.json("/api/stats");
    assert_eq!((&stats["occurrences"], &stats["pruned"]["occurrences"]), (&json!(1_000), &json!(5)));
    let id = group["id"].as_str().unwrap();
    let mut path = format!("/api/errors/{id}?limit=100");
    let (mut seen, mut pages) = (0, 0);
    loop {
        let page = console.json(&path);
        seen += page["occurrences"].as_array().unwrap().len();
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/errors/{id}?limit=100&before={next}");
    }
    assert_eq!((seen, pages), (1_000, 10));
}
