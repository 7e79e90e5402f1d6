use serde_json::{Value as Json, json};
use throughline_xray::Options;

use crate::support;

const MESSAGE: &str = "this is a test";

/// error, fault, throttle.
type Flags = (bool, bool, bool);
const OK: Flags = (false, false, false);
const FAULT: Flags = (false, true, false);
const ERROR: Flags = (true, false, false);
const THROTTLE: Flags = (true, false, true);

fn check(name: &str, case: Json, (error, fault, throttle): Flags, more: &Json) {
    let case = support::merged(&[&json!({"kind": "server", "name": "/widgets"}), &case]);
    let flags = json!({"/error": error, "/fault": fault, "/throttle": throttle});
    support::check(name, &Options::collector(), case, &support::merged(&[&flags, more]));
}

#[test]
fn codes_and_status() {
    let check = |name: &str, code: i64, text: &str, status: Json, flags: Flags, message: Json| {
        let mut attributes = json!({"http.method": "POST", "http.url": "https://api.example.com/widgets"});
        // Stable and old names mean the same.
        for key in ["http.status_code", "http.response.status_code"] {
            if code > 0 {
                attributes[key] = code.into();
            }
            if !text.is_empty() {
                attributes["http.status_text"] = text.into();
            }
            let cause = if message.is_null() { "/cause" } else { "/cause/exceptions/0/message" };
            let more = json!({cause: message, "/cause/exceptions/0/type": null});
            super::cause::check(name, json!({"attributes": attributes, "status": status}), flags, &more);
            attributes.as_object_mut().unwrap().remove("http.status_code");
        }
    };
    let error = |message: &str| json!(["error", message]);
    let said = || json!(MESSAGE);
    check("CauseWithStatusMessage", 500, "", error(MESSAGE), FAULT, said());
    check("CauseWithHttpStatusMessage", 500, MESSAGE, error(""), FAULT, said());
    check("CauseWithZeroStatusMessageAndFaultHttpCode", 500, MESSAGE, json!("unset"), FAULT, Json::Null);
    check("NonHttpUnsetCodeSpan", 0, "", json!("unset"), OK, Json::Null);
    check("NonHttpOkCodeSpan", 0, "", json!("ok"), OK, Json::Null);
    check("NonHttpErrCodeSpan", 0, "", error(MESSAGE), FAULT, said());
    check("CauseWithZeroStatusMessageAndFaultErrorCode", 400, MESSAGE, json!("unset"), ERROR, Json::Null);
    check("CauseWithClientErrorMessage", 499, MESSAGE, error(""), ERROR, said());
    check("CauseWithThrottled", 429, MESSAGE, error(""), THROTTLE, said());
}

#[test]
fn exceptions() {
    let java = "java.lang.IllegalStateException: state is not legal\n\
        \tat io.opentelemetry.sdk.trace.RecordEventsReadableSpanTest.recordException(RecordEventsReadableSpanTest.java:626)\n\
        \tat java.base/jdk.internal.reflect.NativeMethodAccessorImpl.invoke0(Native Method)\n\
        \tat java.base/jdk.internal.reflect.NativeMethodAccessorImpl.invoke(NativeMethodAccessorImpl.java:62)\n\
        Caused by: java.lang.IllegalArgumentException: bad argument";
    let two_events = |java: &str| {
        json!([
            ["exception", {
                "exception.type": "java.lang.IllegalStateException", "exception.message": "bad state",
                "exception.stacktrace": java,
            }],
            ["exception", {"exception.type": "EmptyError"}],
        ])
    };
    let case = json!({
        "status": ["error", MESSAGE], "resource": {"telemetry.sdk.language": "java"}, "events": two_events(java),
    });
    let found =
        &support::documents(&support::merged(&[&json!({"kind": "server"}), &case]), &Options::collector())[0];
    let exceptions = &found["cause"]["exceptions"];
    assert_eq!(exceptions[0]["cause"], exceptions[1]["id"], "CauseWithExceptions");
    assert_ne!(exceptions[0]["id"], exceptions[2]["id"]);
    check(
        "CauseWithExceptions",
        case,
        FAULT,
        &json!({
            "/cause/exceptions#": 3, "/cause/exceptions/0/type": "java.lang.IllegalStateException",
            "/cause/exceptions/0/message": "bad state", "/cause/exceptions/0/stack#": 3, "/cause/exceptions/0/remote": false,
            "/cause/exceptions/1/type": "java.lang.IllegalArgumentException",
            "/cause/exceptions/1/message": "bad argument",
            "/cause/exceptions/2/type": "EmptyError", "/cause/exceptions/2/message": null,
        }),
    );
    for status in ["unset", "ok"] {
        let java = java.split("\nCaused").next().unwrap();
        check(
            "CauseExceptionWithoutError",
            json!({"status": status, "events": two_events(java)}),
            OK,
            &json!({"/cause/exceptions#": 2}),
        );
        check(
            "EventWithoutExceptionWithoutError",
            json!({"status": status, "events": [["NotException", {}]]}),
            OK,
            &json!({"/cause": null}),
        );
    }
    check(
        "MakeCauseAwsSdkSpan",
        json!({
            "kind": "client", "status": ["error", MESSAGE], "attributes": {"rpc.system": "aws-api"},
            "time": 1_696_954_761_000_001_000_u64,
            "events": [["HTTP request failure", {
                "http.response.status_code": "503", "aws.http.error_message": "service is temporarily unavailable",
            }]],
        }),
        FAULT,
        &json!({
            "/cause/exceptions#": 1, "/cause/exceptions/0/type": "aws.http.error.event", "/cause/exceptions/0/remote": true,
            "/cause/exceptions/0/message": "503@1696954761.000001@service is temporarily unavailable",
        }),
    );
}
