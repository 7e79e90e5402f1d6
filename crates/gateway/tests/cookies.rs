use serde_json::json;
use test_support::Signer;

use crate::neighbours::COCO;
use crate::support::Gateway;

#[actix_web::test]
async fn signing_in_sets_a_cookie_that_pages_cannot_read() {
    let gateway = Gateway::start(&Signer::new("k")).await;
    for (path, form, status) in [
        (
            "/api/auth/sign-up",
            json!({"handle": "coco", "email": "c@example.com", "password": "correct horse"}),
            201,
        ),
        ("/api/auth/sign-in", json!({"handle": "coco", "password": "correct horse"}), 200),
    ] {
        let reply = gateway.post(path, &[], &form).await;
        assert_eq!((reply.status, &reply.body["token"]), (status, &json!("header.claims.signature")));
        assert_eq!(reply.body["user"]["handle"], "coco");
        let cookie = reply.cookie().unwrap();
        let (start, age) = cookie.split_once("; Max-Age=").unwrap();
        assert_eq!(start, "session=header.claims.signature; HttpOnly; SameSite=Lax; Path=/");
        assert!((3500..=3600).contains(&age.parse::<u32>().unwrap()), "{cookie}");
        let seen = gateway.users.seen().pop().unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&seen.body).unwrap(), form);
    }
}

#[actix_web::test]
async fn signing_out_takes_it_away() {
    let signer = Signer::new("k");
    let gateway = Gateway::start(&signer).await;
    let cookie = format!("session={}", signer.token(COCO.parse().unwrap(), "coco"));
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let reply = gateway.post("/api/auth/sign-out", &headers, &json!({})).await;
    assert_eq!(reply.status, 204);
    assert!(reply.cookie().unwrap().starts_with("session=; "), "{:?}", reply.cookie());
    assert!(gateway.users.asked().contains(&"POST /sign-out".to_owned()));
}

#[actix_web::test]
async fn a_cookie_that_is_refused_is_taken_away() {
    let gateway = Gateway::start(&Signer::new("k")).await;
    let reply = gateway.get("/api/activities/home", &[("cookie", "session=stale")]).await;
    assert_eq!(reply.problem(), (401, "unauthorized"));
    assert!(reply.cookie().unwrap().starts_with("session=; "), "{:?}", reply.cookie());
    let reply = gateway.get("/api/activities/home", &[("authorization", "Bearer stale")]).await;
    assert_eq!((reply.problem(), reply.cookie()), ((401, "unauthorized"), None));
}

#[actix_web::test]
async fn a_write_by_cookie_must_come_from_our_own_pages() {
    let signer = Signer::new("k");
    let gateway = Gateway::start(&signer).await;
    let token = signer.token(COCO.parse().unwrap(), "coco");
    let (cookie, bearer) = (format!("session={token}"), format!("Bearer {token}"));
    let cookie = ("cookie", cookie.as_str());
    let app = ("x-forwarded-host", "app.example");
    let cases = [
        (vec![cookie], 403),
        (vec![cookie, ("sec-fetch-site", "same-origin")], 201),
        (vec![cookie, ("sec-fetch-site", "cross-site")], 403),
        (vec![cookie, ("sec-fetch-site", "same-site")], 403),
        (vec![cookie, ("sec-fetch-site", "none")], 403),
        (vec![cookie, app, ("origin", "https://app.example")], 201),
        (vec![cookie, app, ("origin", "https://evil.example")], 403),
        (vec![cookie, app, ("origin", "null")], 403),
        (vec![("authorization", bearer.as_str())], 201),
        (vec![("authorization", bearer.as_str()), ("sec-fetch-site", "cross-site")], 201),
    ];
    for (headers, expect) in cases {
        let body = json!({"message": "hi", "ttl": "7-days"});
        let reply = gateway.post("/api/activities", &headers, &body).await;
        assert_eq!(reply.status, expect, "{headers:?}: {reply:?}");
        if expect == 403 {
            assert_eq!(reply.problem(), (403, "cross-site"));
        }
    }
    // Reading harms nobody, and links from elsewhere must work.
    let reply = gateway.get("/api/activities/home", &[cookie, ("sec-fetch-site", "cross-site")]).await;
    assert_eq!(reply.status, 200);
}
