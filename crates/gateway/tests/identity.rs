use serde_json::json;
use test_support::Signer;

use crate::neighbours::COCO;
use crate::support::Gateway;

#[actix_web::test]
async fn strangers_read_without_any_key() {
    let gateway = Gateway::start(&Signer::new("k")).await;
    for path in ["home", "search?term=x", "@coco", "00000000-0000-0000-0000-000000000002"] {
        assert_eq!(gateway.get(&format!("/api/activities/{path}"), &[]).await.status, 200, "{path}");
    }
    assert!(gateway.activities.seen().iter().all(|seen| seen.header("authorization").is_none()));
    assert!(!gateway.users.asked().contains(&"GET /.well-known/jwks.json".to_owned()));
}

#[actix_web::test]
async fn a_token_is_handed_on_to_activities_only_and_its_keys_are_fetched_once() {
    let signer = Signer::new("k");
    let gateway = Gateway::start(&signer).await;
    let token = signer.token(COCO.parse().unwrap(), "coco");
    let (bearer, cookie) = (format!("Bearer {token}"), format!("session={token}"));
    for header in [("authorization", bearer.as_str()), ("cookie", cookie.as_str())] {
        for path in
            ["home", "search?term=x", "@coco", "00000000-0000-0000-0000-000000000002", "notifications"]
        {
            assert_eq!(
                gateway.get(&format!("/api/activities/{path}"), &[header]).await.status,
                200,
                "{path}"
            );
        }
    }
    let activities = gateway.activities.seen();
    assert_eq!(activities.len(), 10);
    assert!(activities.iter().all(|seen| seen.header("authorization") == Some(&bearer)));
    assert!(activities.iter().all(|seen| seen.header("cookie").is_none()));
    let users = gateway.users.seen();
    assert!(users.iter().all(|seen| seen.header("authorization").is_none()));
    assert_eq!(users.iter().filter(|seen| seen.path == "/.well-known/jwks.json").count(), 1);
}

#[actix_web::test]
async fn a_token_that_is_not_good_is_refused_on_every_route() {
    let (signer, stranger) = (Signer::new("k"), Signer::new("k"));
    let gateway = Gateway::start(&signer).await;
    let cases = [
        ("forged", stranger.token(COCO.parse().unwrap(), "coco")),
        ("unknown key", Signer::new("other").token(COCO.parse().unwrap(), "coco")),
        ("expired", signer.token_with(&json!({"exp": 1_000_000_000}))),
        ("foreign", signer.token_with(&json!({"iss": "somebody-else"}))),
        ("without end", signer.token_with(&json!({"exp": null}))),
        ("nonsense", "abc".to_owned()),
        ("unsigned", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.".to_owned()),
    ];
    for (about, token) in cases {
        let bearer = format!("Bearer {token}");
        for path in ["home", "@coco", "notifications", "00000000-0000-0000-0000-000000000002"] {
            let reply = gateway.get(&format!("/api/activities/{path}"), &[("authorization", &bearer)]).await;
            assert_eq!(reply.problem(), (401, "unauthorized"), "{about} on {path}");
        }
        let body = json!({"message": "hi", "ttl": "7-days"});
        let reply = gateway.post("/api/activities", &[("authorization", &bearer)], &body).await;
        assert_eq!(reply.problem(), (401, "unauthorized"), "{about}");
    }
    assert_eq!(gateway.activities.asked(), Vec::<String>::new());
}

#[actix_web::test]
async fn writes_need_somebody() {
    let gateway = Gateway::start(&Signer::new("k")).await;
    for path in [
        "/api/activities",
        "/api/activities/00000000-0000-0000-0000-000000000002/reply",
        "/api/auth/sign-out",
    ] {
        let reply = gateway.post(path, &[], &json!({"message": "hi"})).await;
        assert_eq!(reply.problem(), (401, "unauthorized"), "{path}");
    }
}
