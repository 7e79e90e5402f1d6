//! The relay of browsers' errors.

use serde_json::{Value, json};
use test_support::eventually;

use crate::support::{Answer, Edge, items, new_trace_id};

const OWN: &str =
    "Sec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\nX-Rollbar-Access-Token: stolen\r\n";

async fn post(edge: &Edge, headers: &str, item: &Value) -> Answer {
    let body = item.to_string();
    let headers = format!("{headers}Content-Length: {}\r\n", body.len());
    edge.send("POST /rollbar/api/1/item/", &headers, body.as_bytes()).await
}

/// As rollbar.js 3.1.0 writes it.
fn item(trace_id: &str) -> Value {
    json!({"data": {
        "environment": "forged", "level": "error", "platform": "ios", "framework": "browser-js", "language": "rust",
        "endpoint": "http://x", "uuid": "4e8b74c6-b2f5-41bc-c0db-06f3bd2ee378", "timestamp": 1,
        "server": {"host": "forged"}, "fingerprint": "forged", "context": "/search", "code_version": "0.1.0",
        "notifier": {"name": "rollbar-browser-js", "version": "3.1.0", "configured_options": {"endpoint": "x"}},
        "custom": {"trace_id": trace_id, "suppressed": 1_000_000, "links": {"console": "http://evil"}, "password": "x"},
        "request": {"url": "http://localhost:3000/search?term=x&token=abc", "headers": {"cookie": "x"}, "user_ip": "6.6.6.6"},
        "client": {"javascript": {"browser": "test/1", "code_version": "0.1.0"}},
        "person": {"id": "u-1", "email": "ana@example.org"},
        "body": {"trace": {
            "exception": {"class": "TypeError", "message": "the feed has no author"},
            "frames": [{"filename": "http://localhost:3000/assets/index.js", "lineno": 1, "colno": 2, "method": "deep"}],
        }},
    }})
}

#[actix_web::test]
async fn what_arrives_is_ours_to_say() {
    let edge = Edge::start("http://127.0.0.1:1").await;
    let trace_id = new_trace_id();
    let answer = post(&edge, OWN, &item(&trace_id)).await;
    let expect = r#"{"err":0,"result":{"uuid":"4e8b74c6-b2f5-41bc-c0db-06f3bd2ee378"}}"#;
    assert_eq!((answer.status, answer.body.as_str()), (200, expect));
    let mut arrived = eventually("the item", async || {
        items().into_iter().find(|(_, data)| data["custom"]["trace_id"] == trace_id.as_str())
    })
    .await;
    assert_eq!(arrived.0.as_deref(), Some("client-token"), "the page's token is nothing");
    assert!(arrived.1["timestamp"].take().as_u64().unwrap() > 1_700_000_000);
    assert_eq!(
        arrived.1,
        json!({
            "environment": "development", "level": "error", "platform": "browser", "language": "javascript",
            "uuid": "4e8b74c6-b2f5-41bc-c0db-06f3bd2ee378", "timestamp": null, "context": "/search", "code_version": "0.1.0",
            "notifier": {"name": "rollbar-browser-js", "version": "3.1.0"},
            "custom": {
                "trace_id": trace_id, "xray_trace_id": format!("1-{}-{}", &trace_id[..8], &trace_id[8..]), "links": {},
                "password": "***", "service": "cruddur-web", "telemetry.origin": "browser",
            },
            "request": {"url": "http://localhost:3000/search?term=x&token=***", "user_ip": "127.0.0.0"},
            "client": {"javascript": {"browser": "test/1", "code_version": "0.1.0"}},
            "person": {"id": "u-1"},
            "body": {"trace": {
                "exception": {"class": "TypeError", "message": "the feed has no author"},
                "frames": [{"filename": "http://localhost:3000/assets/index.js", "lineno": 1, "colno": 2, "method": "deep"}],
            }},
        })
    );
}

#[actix_web::test]
async fn who_may_send_what() {
    let edge = Edge::start("http://127.0.0.1:1").await;
    let good = || item(&new_trace_id());
    let without = |path: &str, key: &str| {
        let mut item = good();
        item.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(key);
        item
    };
    let mut both = good();
    both["data"]["body"]["message"] = json!({"body": "x"});
    let cross = OWN.replace("same-origin", "cross-site");
    let form = OWN.replace("application/json", "text/plain");
    for (what, headers, item, expect) in [
        ("another site", cross.as_str(), good(), 403),
        ("a form", &form, good(), 415),
        ("no data", OWN, without("", "data"), 422),
        ("no body", OWN, without("/data", "body"), 422),
        ("an empty body", OWN, without("/data/body", "trace"), 422),
        ("two bodies", OWN, both, 422),
        ("no object", OWN, json!([1]), 422),
        ("too long", OWN, json!("x".repeat(256 * 1024)), 413),
    ] {
        let answer = post(&edge, headers, &item).await;
        assert_eq!(answer.status, expect, "{what}: {}", answer.body);
    }
    for request in ["POST /rollbar/api/1/item", "POST /rollbar/api/1/deploy", "POST /rollbar/"] {
        assert_eq!(
            edge.send(request, &format!("{OWN}Content-Length: 2\r\n"), b"{}").await.status,
            404,
            "{request}"
        );
    }
}

#[actix_web::test]
async fn a_flood_is_told_to_wait() {
    let edge = Edge::start("http://127.0.0.1:1").await;
    let mut passed = 0;
    loop {
        let answer = post(&edge, OWN, &json!({})).await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
            break;
        }
        assert_eq!(answer.status, 422);
        passed += 1;
        assert!(passed < 1_000, "nobody stops it");
    }
    assert!(passed >= 60, "{passed}");
}
