use serde_json::{Value, json};
use test_support::Signer;

use crate::neighbours::COCO;
use crate::support::Gateway;

/// Bad input is answered here; nobody else is asked.
#[actix_web::test]
async fn bad_input_goes_no_further() {
    let signer = Signer::new("k");
    let gateway = Gateway::start(&signer).await;
    let bearer = format!("Bearer {}", signer.token(COCO.parse().unwrap(), "coco"));
    let long = "x".repeat(281);
    let big = "x".repeat(100_000);
    let post = |value: Value| ("POST", "/api/activities", Some(value.to_string()));
    let reply = |value: Value| {
        ("POST", "/api/activities/00000000-0000-0000-0000-000000000002/reply", Some(value.to_string()))
    };
    let cases = [
        (post(json!({"message": "", "ttl": "7-days"})), 422, "invalid"),
        (post(json!({"message": " \n ", "ttl": "7-days"})), 422, "invalid"),
        (post(json!({"ttl": "7-days"})), 422, "invalid"),
        (post(json!({"message": long, "ttl": "7-days"})), 422, "invalid"),
        (post(json!({"message": big, "ttl": "7-days"})), 413, "too-large"),
        (post(json!({"message": "hi", "ttl": "7-days", "user_uuid": COCO})), 400, "bad-request"),
        (post(json!({"message": ["hi"]})), 400, "bad-request"),
        (("POST", "/api/activities", Some("{\"message\":".to_owned())), 400, "bad-request"),
        (("POST", "/api/activities", Some(String::new())), 400, "bad-request"),
        (reply(json!({"message": ""})), 422, "invalid"),
        (reply(json!({"message": long})), 422, "invalid"),
        (("POST", "/api/activities/5/reply", Some(json!({"message": "hi"}).to_string())), 404, "not-found"),
        (("GET", "/api/activities/not-a-uuid", None), 404, "not-found"),
        (("GET", "/api/activities/@", None), 404, "not-found"),
        (("GET", "/api/activities/@a%2Fb", None), 404, "not-found"),
        (("GET", "/api/users/@a.b", None), 404, "not-found"),
        (("GET", "/api/nothing", None), 404, "not-found"),
        (("GET", "/nothing", None), 404, "not-found"),
        (("DELETE", "/api/activities/home", None), 405, "method-not-allowed"),
        (("GET", "/api/auth/sign-in", None), 405, "method-not-allowed"),
        (("POST", "/api/auth/sign-in", Some(json!({"handle": "coco"}).to_string())), 400, "bad-request"),
    ];
    for ((method, path, body), status, kind) in cases {
        let about = format!("{method} {path} {:.60}", body.as_deref().unwrap_or_default());
        let reply = gateway.send(method, path, &[("authorization", &bearer)], body).await;
        assert_eq!(reply.problem(), (status, kind), "{about}: {reply:?}");
    }
    assert_eq!(gateway.activities.asked(), Vec::<String>::new());
    assert_eq!(gateway.users.asked(), ["GET /.well-known/jwks.json"]);
}

#[actix_web::test]
async fn a_body_must_say_that_it_is_json() {
    let signer = Signer::new("k");
    let gateway = Gateway::start(&signer).await;
    let bearer = format!("Bearer {}", signer.token(COCO.parse().unwrap(), "coco"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
    let reply = gateway.post("/api/activities", &headers, &json!({"message": "hi", "ttl": "7-days"})).await;
    assert_eq!(reply.problem(), (415, "unsupported-media-type"));
}
