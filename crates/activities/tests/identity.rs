use awc::http::Method;
use serde_json::json;
use test_support::Signer;
use uuid::Uuid;

use crate::support::Activities;

#[actix_web::test]
async fn only_who_holds_a_good_token_is_somebody() {
    let service = Activities::start().await;
    let coco = Uuid::from_u128(0xc0c0);
    let good = service.signer.token(coco, "coco");
    let tampered = {
        let mut parts: Vec<_> = good.split('.').collect();
        let other = service.signer.token(Uuid::from_u128(0xf0f), "worf");
        parts[1] = other.split('.').nth(1).unwrap();
        parts.join(".")
    };
    let cases = [
        ("forged", Signer::new("k").token(coco, "coco")),
        ("tampered", tampered),
        ("expired", service.signer.token_with(&json!({"exp": 1_000_000_000}))),
        ("foreign", service.signer.token_with(&json!({"iss": "somebody-else"}))),
        ("nonsense", "abc".to_owned()),
    ];
    let body = json!({"message": "hi", "ttl": "7-days"}).to_string();
    for (about, token) in cases {
        let bearer = format!("Bearer {token}");
        let written = service.send(Method::POST, "/activities", Some(&bearer), Some(body.clone())).await;
        assert_eq!(written.problem(), (401, "unauthorized"), "{about}");
        for path in ["/activities/home", "/activities/notifications", "/activities/search?term=x"] {
            let read = service.send(Method::GET, path, Some(&bearer), None).await;
            assert_eq!(read.problem(), (401, "unauthorized"), "{about} on {path}");
        }
    }
    assert_eq!(
        service.send(Method::POST, "/activities", None, Some(body)).await.problem(),
        (401, "unauthorized")
    );
    assert_eq!(service.get("/activities/notifications").await.problem(), (401, "unauthorized"));
    assert_eq!(service.get("/activities/home").await.uuids(), [""; 0]);
}
