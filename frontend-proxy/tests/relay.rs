use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::{Edge, new_trace_id, now_seconds, receive, received};

const OWN: &str = "Sec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\n";

/// One span as OpenTelemetry JS writes it, ended just now.
fn span(trace_id: &str) -> Value {
    json!({
        "traceId": trace_id, "spanId": "00f067aa0ba902b7", "name": "open home", "kind": 1,
        "startTimeUnixNano": format!("{}000000000", now_seconds() - 1),
        "endTimeUnixNano": format!("{}000000000", now_seconds()),
        "attributes": [{"key": "session.id", "value": {"stringValue": "s-1"}}],
        "droppedAttributesCount": 0, "events": [], "droppedEventsCount": 0, "status": {"code": 0},
        "links": [], "droppedLinksCount": 0, "flags": 257,
    })
}

fn export(spans: &[Value]) -> Value {
    json!({"resourceSpans": [{
        "resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "gateway"}},
            {"key": "service.version", "value": {"stringValue": "1.2.3"}},
            {"key": "host.name", "value": {"stringValue": "forged"}},
        ], "droppedAttributesCount": 0},
        "scopeSpans": [{"scope": {"name": "cruddur-web", "version": "1.2.3"}, "spans": spans}],
    }]})
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn post(edge: &Edge, headers: &str, body: &[u8]) -> crate::support::Answer {
    edge.send("POST /v1/traces", &format!("{headers}Content-Length: {}\r\n", body.len()), body).await
}

#[actix_web::test]
async fn who_may_send_what() {
    let edge = Edge::start("http://127.0.0.1:1").await;
    let json_type = "Content-Type: application/json\r\n";
    let same = "Sec-Fetch-Site: same-origin\r\n";
    let bomb = gzip(&vec![b' '; 100 << 20]);
    assert!(bomb.len() < 256 * 1024, "{}", bomb.len());
    let good = |trace_id: &str| export(&[span(trace_id)]).to_string().into_bytes();
    let mut id = String::new();
    let mut fresh = || {
        id = new_trace_id();
        id.clone()
    };
    for (what, headers, body, expect) in [
        ("our page", OWN.to_owned(), good(&fresh()), 200),
        (
            "a parameter",
            format!("{same}Content-Type: application/json; charset=utf-8\r\n"),
            good(&fresh()),
            200,
        ),
        ("an older browser", format!("{json_type}Origin: http://localhost\r\n"), good(&fresh()), 200),
        ("gzip", format!("{OWN}Content-Encoding: gzip\r\n"), gzip(&good(&fresh())), 200),
        ("nothing at all", OWN.to_owned(), b"{}".to_vec(), 200),
        ("nobody's page", json_type.to_owned(), good(&fresh()), 403),
        ("another site", format!("{json_type}Sec-Fetch-Site: cross-site\r\n"), good(&fresh()), 403),
        ("a neighbour site", format!("{json_type}Sec-Fetch-Site: same-site\r\n"), good(&fresh()), 403),
        ("another origin", format!("{json_type}Origin: http://evil.example\r\n"), good(&fresh()), 403),
        ("a form, no preflight", format!("{same}Content-Type: text/plain\r\n"), good(&fresh()), 415),
        ("protobuf", format!("{same}Content-Type: application/x-protobuf\r\n"), vec![10, 0], 415),
        ("no type", same.to_owned(), good(&fresh()), 415),
        ("deflate", format!("{OWN}Content-Encoding: deflate\r\n"), good(&fresh()), 415),
        ("gzip twice", format!("{OWN}Content-Encoding: gzip, gzip\r\n"), gzip(&gzip(&good(&fresh()))), 415),
        ("no gzip", format!("{OWN}Content-Encoding: gzip\r\n"), good(&fresh()), 400),
        ("a bomb", format!("{OWN}Content-Encoding: gzip\r\n"), bomb, 413),
        ("too long", OWN.to_owned(), vec![b' '; 256 * 1024 + 1], 413),
        ("no JSON", OWN.to_owned(), b"{".to_vec(), 400),
        ("too deep", OWN.to_owned(), "[".repeat(10_000).into_bytes(), 400),
        ("a number", OWN.to_owned(), b"1".to_vec(), 400),
    ] {
        let answer = post(&edge, &headers, &body).await;
        assert_eq!(answer.status, expect, "{what}: {}", answer.body);
        if expect == 200 {
            assert_eq!(answer.body, "{}", "{what}");
        }
        assert_eq!(answer.header("access-control-allow-origin"), "", "{what}");
    }
    for (request, expect) in [
        ("GET /v1/traces", 405),
        ("POST /v1/logs", 404),
        ("POST /v1/traces/", 404),
        ("POST /v1/traces/x", 404),
        ("OPTIONS /v1/traces", 405),
    ] {
        let answer = edge.send(request, &format!("{OWN}Content-Length: 2\r\n"), b"{}").await;
        assert_eq!(answer.status, expect, "{request}");
    }
}

#[actix_web::test]
async fn what_arrives_is_ours_to_say() {
    let edge = Edge::start("http://127.0.0.1:1").await;
    let trace_id = new_trace_id();
    let mut forged = span(&trace_id);
    forged["kind"] = json!(2);
    forged["traceState"] = json!("ot=th:0");
    forged["attributes"] = json!([
        {"key": "client.address", "value": {"stringValue": "6.6.6.6"}},
        {"key": "SampleRate", "value": {"intValue": 1_000_000}},
        {"key": "sampleRate", "value": {"intValue": "1000000"}},
        {"key": "session.id", "value": {"stringValue": "s-1"}},
        {"key": "long", "value": {"stringValue": "ä".repeat(5000)}},
        {"key": "map", "value": {"kvlistValue": {"values": []}}},
    ]);
    let headers = format!(
        "{OWN}User-Agent: test/1\r\nX-Honeycomb-Team: stolen\r\nAuthorization: Bearer x\r\nCookie: session=x\r\n\
         traceparent: 00-{trace_id}-b7ad6b7169203331-01\r\n"
    );
    let answer = post(&edge, &headers, export(&[forged]).to_string().as_bytes()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
    assert_eq!(answer.header("traceresponse"), "", "the relay tells nothing of itself");

    let spans = receive(&trace_id, 1).await;
    let received = &spans[0];
    assert_eq!(
        received.resource,
        [
            ("service.name".to_owned(), "cruddur-web".to_owned()),
            ("telemetry.origin".to_owned(), "browser".to_owned()),
            ("service.version".to_owned(), "1.2.3".to_owned()),
        ]
    );
    assert_eq!(received.span.kind, 1, "a page is no server");
    assert_eq!(received.span.trace_state, "");
    let keys: Vec<&str> = received.span.attributes.iter().map(|said| said.key.as_str()).collect();
    assert_eq!(keys, ["session.id", "long", "client.address", "user_agent.original"]);
    assert_eq!(received.attribute("client.address").unwrap(), "127.0.0.1");
    assert_eq!(received.attribute("user_agent.original").unwrap(), "test/1");
    assert_eq!(received.attribute("long").unwrap().len(), 4096);
    assert_eq!(received.span.dropped_attributes_count, 3);
}

#[actix_web::test]
async fn a_bad_span_is_counted_and_the_rest_arrives() {
    let edge = Edge::start("http://127.0.0.1:1").await;
    let trace_id = new_trace_id();
    let with = |changes: Value| {
        let mut span = span(&trace_id);
        for (name, value) in changes.as_object().unwrap() {
            span[name] = value.clone();
        }
        span
    };
    let at = |seconds: u64| json!(format!("{seconds}000000000"));
    let now = now_seconds();
    let bad = [
        with(json!({"traceId": "00000000000000000000000000000000"})),
        with(json!({"traceId": "0af7651916cd43dd"})),
        with(json!({"spanId": "0000000000000000"})),
        with(json!({"spanId": ""})),
        with(json!({"parentSpanId": "00"})),
        with(json!({"startTimeUnixNano": "0"})),
        with(json!({"startTimeUnixNano": at(now - 4000), "endTimeUnixNano": at(now - 3700)})),
        with(json!({"endTimeUnixNano": at(now + 700)})),
        with(json!({"startTimeUnixNano": at(now), "endTimeUnixNano": at(now - 1)})),
        with(json!({"endTimeUnixNano": "18446744073709551615"})),
    ];
    let mut spans = bad.to_vec();
    spans.push(with(json!({"name": "the good one"})));
    let answer = post(&edge, OWN, export(&spans).to_string().as_bytes()).await;
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &said["partialSuccess"]["rejectedSpans"]), (200, &json!("10")));
    assert_eq!(receive(&trace_id, 1).await[0].span.name, "the good one");

    let many = vec![with(json!({"attributes": []})); 300];
    let answer = post(&edge, OWN, export(&many).to_string().as_bytes()).await;
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(said["partialSuccess"]["rejectedSpans"], "44");
    assert_eq!(receive(&trace_id, 257).await.len(), 257);
}

#[actix_web::test]
async fn a_flood_is_told_to_wait() {
    let edge = Edge::start("http://127.0.0.1:1").await;
    let mut statuses = Vec::new();
    for _ in 0..100 {
        let answer = post(&edge, OWN, b"{}").await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
        }
        statuses.push(answer.status);
        if answer.status == 429 {
            break;
        }
    }
    assert!(statuses.len() > 60, "the burst passes: {statuses:?}");
    assert_eq!(statuses.last(), Some(&429));
    assert_eq!(edge.send("GET /", "", b"").await.status, 200, "the app is not held up");
}

#[actix_web::test]
async fn the_relay_gets_no_span() {
    let edge = Edge::start("http://127.0.0.1:1").await;
    let (relayed, marker) = (new_trace_id(), new_trace_id());
    let own = format!("{OWN}traceparent: 00-{relayed}-b7ad6b7169203331-01\r\n");
    assert_eq!(post(&edge, &own, b"{}").await.status, 200);
    // A traced request after it: once its span has arrived, the relay's would have too.
    let page = format!("Sec-Fetch-Site: same-origin\r\ntraceparent: 00-{marker}-b7ad6b7169203331-01\r\n");
    assert_eq!(edge.send("GET /", &page, b"").await.status, 200);
    receive(&marker, 1).await;
    assert!(received(&relayed).is_empty());
}
