//! Whole traces of what people do, as text. A change here is a change of what a reader of a trace sees.

use serde_json::json;

use crate::http::Client;
use crate::system::shared;
use crate::trace;

const ALL: [&str; 4] = ["frontend-proxy", "gateway", "activities", "users"];

#[test]
fn the_home_feed() {
    let system = shared();
    let reply = Client::anonymous().get(&system.web("/api/activities/home?limit=5"));
    assert_eq!(reply.status, 200, "{}", reply.body);
    let feed = reply.json();
    assert_eq!(feed["activities"].as_array().unwrap().len(), 5, "{feed}");
    assert!(feed["activities"][0]["user"]["handle"].is_string(), "{feed}");
    insta::assert_snapshot!(trace::tree(&system.trace(&reply.trace_id(), &ALL)), @r"
    frontend-proxy SERVER GET /api/{path}* -> 200
      frontend-proxy CLIENT GET -> 200
        gateway SERVER GET /api/activities/home -> 200
          gateway CLIENT GET -> 200
            activities SERVER GET /activities/home -> 200
              activities activities_home
                activities CLIENT SELECT posts -> 6 rows
          gateway look up authors
            gateway CLIENT GET -> 200
              users SERVER GET /users -> 200
                users CLIENT SELECT users -> 5 rows
    ");
}

#[test]
fn a_sign_in() {
    let system = shared();
    let person = system.sign_up();
    let reply = Client::anonymous().post(
        &system.web("/api/auth/sign-in"),
        &json!({ "handle": person.handle, "password": person.password }),
    );
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(reply.header("set-cookie").is_some_and(|cookie| cookie.contains("HttpOnly")), "{reply:?}");
    let trace = system.trace(&reply.trace_id(), &["frontend-proxy", "gateway", "users"]);
    insta::assert_snapshot!(trace::tree(&trace), @r"
    frontend-proxy SERVER POST /api/{path}* -> 200
      frontend-proxy CLIENT POST -> 200
        gateway SERVER POST /api/auth/sign-in -> 200
          gateway CLIENT POST -> 200
            users SERVER POST /sign-in -> 200
              users CLIENT SELECT users -> 1 rows
              users verify password
              users CLIENT INSERT sessions
    ");
}

#[test]
fn a_post() {
    let system = shared();
    let person = system.sign_up();
    let reply = person
        .client
        .post(&system.web("/api/activities"), &json!({ "message": "one click, one trace", "ttl": "1-day" }));
    assert_eq!(reply.status, 201, "{}", reply.body);
    let trace = system.trace(&reply.trace_id(), &ALL);
    let user = reply.json()["user_uuid"].as_str().unwrap().to_owned();
    for service in ["gateway", "activities"] {
        assert!(
            trace.spans.iter().any(|span| span.service == service
                && span.attributes.get("app.user_id").is_some_and(|id| *id == user)),
            "no span of {service} says who it was"
        );
    }
    insta::assert_snapshot!(trace::tree(&trace), @r"
    frontend-proxy SERVER POST /api/{path}* -> 201
      frontend-proxy CLIENT POST -> 201
        gateway SERVER POST /api/activities -> 201
          gateway CLIENT POST -> 201
            activities SERVER POST /activities -> 201
              activities activities_create
                activities CLIENT INSERT posts -> 1 rows
          gateway CLIENT GET -> 200
            users SERVER GET /users -> 200
              users CLIENT SELECT users -> 1 rows
    ");
}
