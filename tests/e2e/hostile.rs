//! Clients that are wrong, rude or forging. The answer is clear and comes soon, and the system stays as it was.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::eventually;
use crate::http::{self, Client};
use crate::system::{System, shared};

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn wrong_input_is_told_what_is_wrong() {
    let system = shared();
    let person = system.sign_up();
    let check = |path: &str, body: &str, status: u16| {
        for door in [system.gateway(path), system.web(path)] {
            let reply = person.client.post_bytes(&door, body.as_bytes(), &[JSON]);
            assert_eq!(reply.status, status, "POST {door} {body}: {}", reply.body);
            reply.assert_problem(status);
        }
    };
    check("/api/activities", "{", 400);
    check("/api/activities", "[]", 422);
    check("/api/activities", r#"{"message":7,"ttl":"1-day"}"#, 400);
    check("/api/activities", &json!({ "message": "x".repeat(281), "ttl": "1-day" }).to_string(), 422);
    check("/api/activities", &json!({ "message": " ", "ttl": "1-day" }).to_string(), 422);
    check("/api/activities", &json!({ "message": "x", "ttl": "forever" }).to_string(), 422);
    check("/api/auth/sign-in", "{\"handle\":", 400);
    check("/api/auth/sign-in", r#"{"handle":"nobody_at_all","password":"whatever it may be"}"#, 401);
    // 280 characters are 1,120 bytes here, and allowed.
    let reply = person
        .client
        .post(&system.gateway("/api/activities"), &json!({ "message": "🦀".repeat(280), "ttl": "1-day" }));
    assert_eq!(reply.status, 201, "{}", reply.body);
}

#[test]
fn what_is_not_there_is_not_found() {
    let system = shared();
    let check = |path: &str, status: u16| Client::anonymous().get(&system.web(path)).assert_problem(status);
    check("/api/users/@nobody_at_all", 404);
    check("/api/activities/@nobody_at_all", 404);
    check("/api/activities/7b3f0f6e-0000-4000-8000-000000000000", 404);
    check("/api/nothing/here", 404);
}

#[test]
fn a_token_is_believed_by_its_signature_only() {
    let system = shared();
    let person = system.sign_up();
    let [header, claims, signature] = person.token.split('.').collect::<Vec<_>>()[..] else {
        panic!("{} is no JWT", person.token)
    };
    let decode = |part: &str| -> Value {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let with = |part: &str, name: &str, value: Value| {
        let mut changed = decode(part);
        changed[name] = value;
        encode(&changed)
    };
    let forged = [
        ("no token at all", "nonsense".to_owned()),
        ("no signature", format!("{header}.{claims}.")),
        ("algorithm none", format!("{}.{claims}.", with(header, "alg", json!("none")))),
        ("a symmetric algorithm", format!("{}.{claims}.{signature}", with(header, "alg", json!("HS256")))),
        ("an unknown key", format!("{}.{claims}.{signature}", with(header, "kid", json!("another")))),
        ("somebody else", format!("{header}.{}.{signature}", with(claims, "handle", json!("andrewbrown")))),
        ("for ever", format!("{header}.{}.{signature}", with(claims, "exp", json!(4_102_444_800_u64)))),
        (
            "another's signature",
            format!("{header}.{claims}.{}", system.sign_up().token.rsplit('.').next().unwrap()),
        ),
    ];
    let body = json!({ "message": "forged", "ttl": "1-day" });
    for (what, token) in forged {
        let client = Client::with_token(&token);
        // The gateway is asked, and each service behind it: none believes another.
        let activities = system.at.activities.iter().map(|at| (format!("{at}/activities"), body.clone()));
        let users = system.at.users.iter().map(|at| (format!("{at}/sign-out"), json!({})));
        let gateway = (system.gateway("/api/activities"), body.clone());
        for (url, body) in [gateway].into_iter().chain(activities).chain(users) {
            let reply = client.post(&url, &body);
            assert_eq!(reply.status, 401, "{what} at {url}: {}", reply.body);
        }
    }
    // A header that names a user proves nothing.
    let user = decode(claims)["sub"].as_str().unwrap().to_owned();
    let headers = [JSON, ("x-user-id", user.as_str())];
    let reply = Client::anonymous().post_bytes(
        &system.gateway("/api/activities"),
        body.to_string().as_bytes(),
        &headers,
    );
    reply.assert_problem(401);
}

#[test]
fn a_token_expires() {
    let system = System::start(&[("TOKEN_LIFETIME", "1000")]);
    let person = system.sign_up();
    let body = json!({ "message": "still me", "ttl": "1-day" });
    let refused = eventually("the token is refused once its second has passed", || {
        let reply = person.client.post(&system.gateway("/api/activities"), &body);
        (reply.status != 201).then_some(reply)
    });
    refused.assert_problem(401);
    assert!(refused.body.contains("expired"), "{}", refused.body);
    // A stranger still reads.
    assert_eq!(Client::anonymous().get(&system.gateway("/api/activities/home?limit=1")).status, 200);
}

#[test]
fn a_cookie_from_elsewhere_writes_nothing() {
    let system = shared();
    let person = system.sign_up();
    let cookie = format!("session={}", person.token);
    let body = json!({ "message": "not mine", "ttl": "1-day" }).to_string();
    let check = |headers: &[(&str, &str)], status: u16| {
        let headers = [headers, &[JSON, ("cookie", cookie.as_str())]].concat();
        let reply = Client::anonymous().post_bytes(&system.web("/api/activities"), body.as_bytes(), &headers);
        assert_eq!(reply.status, status, "{headers:?}: {}", reply.body);
    };
    check(&[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")], 403);
    check(&[("origin", "https://evil.example")], 403);
    check(&[("origin", "null")], 403);
    check(&[("sec-fetch-site", "same-origin"), ("origin", &system.at.web)], 201);
}

#[test]
fn a_body_has_a_size_before_and_after_decompression() {
    let system = shared();
    let person = system.sign_up();
    let large = json!({ "message": "x".repeat(4 << 20), "ttl": "1-day" }).to_string();
    for door in [system.gateway("/api/activities"), system.web("/api/activities")] {
        let answer = http::raw(
            &door.replace("/api/activities", ""),
            format!(
                "POST /api/activities HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{}",
                http::host(&door.replace("/api/activities", "")),
                large.len(),
                &large[..1000]
            )
            .as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 413"), "{door}: {answer}");
    }
    // 64 MB of zeros are 64 KB of gzip.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        gzip.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = gzip.finish().unwrap();
    let headers =
        [JSON, ("content-encoding", "gzip"), ("sec-fetch-site", "same-origin"), ("origin", &system.at.web)];
    for url in [
        system.gateway("/api/activities"),
        system.web("/api/activities"),
        system.web("/v1/traces"),
        format!("{}/v1/traces", system.at.otlp_http),
    ] {
        let reply = person.client.post_bytes(&url, &bomb, &headers);
        assert!(matches!(reply.status, 400 | 413 | 415), "{url}: {} {}", reply.status, reply.body);
    }
}

#[test]
fn a_slow_body_does_not_keep_its_place() {
    let at = &shared().at;
    std::thread::scope(|scope| {
        let doors = [
            (Some(&at.web), "/api/auth/sign-in"),
            (Some(&at.gateway), "/api/auth/sign-in"),
            (at.activities.as_ref(), "/activities"),
            (at.users.as_ref(), "/sign-in"),
        ];
        for (url, path) in doors.into_iter().filter_map(|(url, path)| Some((url?, path))) {
            scope.spawn(move || {
                let start = Instant::now();
                let mut stream = http::connect(url);
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
                    http::host(url)
                );
                stream.write_all(head.as_bytes()).unwrap();
                // Nothing more is sent. Whatever the status, an answer or the end comes well before a minute.
                let answer = http::read_to_end(stream);
                assert!(start.elapsed() < Duration::from_secs(30), "{url} waited {:?}", start.elapsed());
                assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{url}: {answer}");
            });
        }
    });
}

#[test]
fn a_foreign_host_is_refused_on_every_port() {
    for url in shared().roles() {
        for host in ["evil.example", "127.0.0.1.evil.example:80", ""] {
            let answer = http::raw(
                url,
                format!("GET /ready HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
            );
            assert!(answer.starts_with("HTTP/1.1 4"), "{url} with Host {host:?}: {answer}");
        }
        let rebound =
            http::raw(url, b"GET /api/traces HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        assert!(!rebound.contains("\"traces\""), "{url} told a stranger its traces: {rebound}");
    }
}

#[test]
fn a_baggage_bomb_reaches_nobody() {
    let system = shared();
    let mut bomb = String::new();
    for number in 0..1_000 {
        let _ = write!(bomb, "key{number}={},", "v".repeat(16));
    }
    let headers = [("baggage", bomb.as_str()), ("baggage", "sampled=1,app.user_id=somebody")];
    for door in [system.gateway("/api/activities/home?limit=1"), system.web("/api/activities/home?limit=1")] {
        let reply = Client::anonymous().get_with(&door, &headers);
        // Too large a head is refused; a large one is read, and its baggage goes no further.
        assert!(matches!(reply.status, 200 | 400 | 431), "{}", reply.body);
        if reply.status == 200 {
            let trace = system.trace(&reply.trace_id(), &["gateway", "activities", "users"]);
            let text = serde_json::to_string(&trace).unwrap();
            assert!(!text.contains("key999") && !text.contains("somebody"), "baggage became an attribute");
        }
    }
}

#[test]
fn a_stranger_gets_a_trace_of_its_own() {
    let system = shared();
    let theirs = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let reply =
        Client::anonymous().get_with(&system.web("/api/activities/home?limit=1"), &[("traceparent", theirs)]);
    assert_ne!(reply.trace_id(), &theirs[3..35]);
    let trace = system.trace(&reply.trace_id(), &["frontend-proxy", "gateway", "activities", "users"]);
    let linked = trace.spans.iter().flat_map(|span| &span.links).any(|link| link.trace_id == theirs[3..35]);
    assert!(linked, "the new trace links to theirs");
}
