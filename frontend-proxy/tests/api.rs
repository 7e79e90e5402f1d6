use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use test_support::free_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use crate::support::{Answer, Edge, new_trace_id, receive, serve};

/// A gateway that answers with what it was asked, as JSON.
fn mirror() -> String {
    serve(|app| {
        app.service(web::resource("/api/mirror").to(async |request: HttpRequest, body: web::Bytes| {
            let headers: Vec<(String, String)> = request
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect();
            HttpResponse::build(StatusCode::CREATED)
                .insert_header(("set-cookie", "session=x; HttpOnly"))
                .insert_header(("traceresponse", "00-11111111111111111111111111111111-1111111111111111-01"))
                .insert_header(("server-timing", "gateway;dur=5"))
                .insert_header(("keep-alive", "timeout=5"))
                .json(json!({
                    "target": request.uri().to_string(),
                    "method": request.method().as_str(),
                    "headers": headers,
                    "body": String::from_utf8_lossy(&body),
                }))
        }))
        .service(
            web::resource("/api/echo").post(async |body: web::Payload| HttpResponse::Ok().streaming(body)),
        )
        .service(web::resource("/api/empty").to(async || HttpResponse::NoContent().finish()))
        .service(web::resource("/api/never").to(std::future::pending::<HttpResponse>))
        .service(web::resource("/api/broken").to(async || HttpResponse::ImATeapot().body("no tea")));
    })
}

fn seen(answer: &Answer, name: &str) -> Vec<String> {
    let mirrored: Value = serde_json::from_str(&answer.body).unwrap();
    let headers: Vec<(String, String)> = serde_json::from_value(mirrored["headers"].clone()).unwrap();
    headers.into_iter().filter(|(key, _)| key == name).map(|(_, value)| value).collect()
}

#[actix_web::test]
async fn headers_end_at_the_door_or_pass_it() {
    let edge = Edge::start(&mirror()).await;
    let answer = edge
        .send(
            "POST /api/mirror?x=%20y&z",
            "Content-Type: application/json\r\nContent-Length: 2\r\nCookie: session=abc\r\nAuthorization: Bearer t\r\n\
             Origin: http://localhost\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil.example\r\nForwarded: for=6.6.6.6\r\n\
             X-Forwarded-Proto: gopher\r\nTE: trailers\r\nProxy-Authorization: Basic x\r\nUpgrade: h2c\r\nKeep-Alive: 9\r\n\
             baggage: app.user_id=admin\r\ntracestate: evil=1\r\nX-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1\r\n",
            b"{}",
        )
        .await;
    let mirrored: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(mirrored["target"], "/api/mirror?x=%20y&z");
    assert_eq!((&mirrored["method"], &mirrored["body"]), (&json!("POST"), &json!("{}")));
    for (name, expect) in [
        ("cookie", vec!["session=abc"]),
        ("authorization", vec!["Bearer t"]),
        ("origin", vec!["http://localhost"]),
        ("content-length", vec!["2"]),
        ("x-forwarded-for", vec!["6.6.6.6", "127.0.0.1"]),
        ("x-forwarded-host", vec!["localhost"]),
        ("x-forwarded-proto", vec!["http"]),
        ("forwarded", vec![]),
        ("te", vec![]),
        ("proxy-authorization", vec![]),
        ("upgrade", vec![]),
        ("keep-alive", vec![]),
        ("baggage", vec![]),
    ] {
        assert_eq!(seen(&answer, name), expect, "{name}");
    }
    assert!(!seen(&answer, "tracestate").concat().contains("evil"));
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("set-cookie"), "session=x; HttpOnly");
    assert_eq!(answer.header("keep-alive"), "");
    assert!(!answer.header("traceresponse").contains("1111"), "{}", answer.head);
    assert!(!answer.header("server-timing").contains("gateway"), "{}", answer.head);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[actix_web::test]
async fn connection_names_headers_of_this_hop() {
    let edge = Edge::start(&mirror()).await;
    let mut stream = edge.connect().await;
    stream
        .write_all(b"GET /api/mirror HTTP/1.1\r\nHost: localhost\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nX-Open: 2\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("x-open") && !text.contains("x-secret"), "{text}");
}

/// Our own pages keep their trace; a stranger gets a new one. In either case the gateway hears of our client span.
#[actix_web::test]
async fn the_trace_goes_through_the_door() {
    let edge = Edge::start(&mirror()).await;
    for (site, joined) in [("same-origin", true), ("cross-site", false)] {
        let trace_id = new_trace_id();
        let answer = edge
            .send(
                "GET /api/mirror",
                &format!("Sec-Fetch-Site: {site}\r\ntraceparent: 00-{trace_id}-b7ad6b7169203331-01\r\n"),
                b"",
            )
            .await;
        let traceparent = seen(&answer, "traceparent").concat();
        let onward = &traceparent[3..35];
        assert_eq!(onward == trace_id, joined, "{site}: {traceparent}");
        let spans = receive(onward, 2).await;
        let (client, server) = (&spans[0].span, &spans[1].span);
        assert_eq!((client.kind, server.kind), (3, 2), "{spans:?}");
        assert_eq!(crate::support::hex(&client.span_id), traceparent[36..52]);
        assert_eq!(client.parent_span_id, server.span_id);
        assert_eq!(server.name, "GET /api/{path}*");
        assert_eq!(answer.header("traceresponse")[3..35], *onward);
    }
}

/// Nobody on the way holds the whole: the gateway has the beginning of a request before its end is sent, and the browser
/// the first piece of an answer before there is a second. (awc passes a request on in pieces of its buffer's size.)
#[actix_web::test]
async fn bodies_stream_both_ways() {
    let (arrived, may_go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let gates = (arrived.clone(), may_go_on.clone());
    let gateway = serve(move |app| {
        let (arrived, may_go_on) = gates.clone();
        app.service(web::resource("/api/pieces").post(move |mut body: web::Payload| {
            let (arrived, may_go_on) = (arrived.clone(), may_go_on.clone());
            async move {
                while let Some(piece) = body.next().await {
                    assert!(!piece.unwrap().is_empty());
                    arrived.add_permits(1);
                }
                let first = stream::once(async { Ok::<_, actix_web::Error>(web::Bytes::from("first")) });
                let second = stream::once(async move {
                    may_go_on.acquire().await.unwrap().forget();
                    Ok(web::Bytes::from("second"))
                });
                HttpResponse::Ok().streaming(first.chain(second))
            }
        }));
    });
    let edge = Edge::start(&gateway).await;
    let mut stream = edge.connect().await;
    let head = "POST /api/pieces HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let beginning = "x".repeat(0x18000);
    stream.write_all(format!("{head}18000\r\n{beginning}\r\n").as_bytes()).await.unwrap();
    let arrival = tokio::time::timeout(test_support::patience(), arrived.acquire());
    arrival.await.expect("the gateway sees the beginning").unwrap().forget();
    stream.write_all(b"3\r\nend\r\n0\r\n\r\n").await.unwrap();

    let (mut seen, mut buffer) = (String::new(), [0; 1024]);
    loop {
        let read =
            tokio::time::timeout(test_support::patience(), stream.read(&mut buffer)).await.unwrap().unwrap();
        seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        if read == 0 {
            break;
        }
        if seen.contains("first") && !seen.contains("second") {
            may_go_on.add_permits(1);
        }
    }
    assert!(seen.contains("first") && seen.contains("second"), "{seen}");
}

#[actix_web::test]
async fn answers_of_all_kinds_and_of_none() {
    let edge = Edge::with(&mirror(), &[("API_TIMEOUT", "300"), ("HTTP_BODY_TIMEOUT", "200")]).await;
    let long = vec![b'x'; 300 * 1024];
    for (request, headers, body, expect) in [
        ("GET /api/empty", "", &b""[..], 204),
        ("HEAD /api/broken", "", b"", 418),
        ("GET /api/broken", "", b"", 418),
        ("GET /api/nothing", "", b"", 404),
        ("GET /api/never", "", b"", 504),
        ("POST /api/echo", "Content-Length: 307200\r\n", long.as_slice(), 413),
        ("POST /api/mirror", "Content-Length: 10\r\n", b"x", 408),
    ] {
        let answer = edge.send(request, headers, body).await;
        assert_eq!(answer.status, expect, "{request}\n{}\n{}", answer.head, answer.body);
    }
    let dead = Edge::start(&format!("http://127.0.0.1:{}", free_port())).await;
    let answer = dead.send("GET /api/activities/home", "", b"").await;
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &problem["detail"]), (502, &json!("gateway cannot be reached")));
    assert!(problem["trace_id"].is_string());
}
