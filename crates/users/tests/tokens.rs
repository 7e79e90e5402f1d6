use std::collections::HashSet;

use serde_json::{Value, json};
use test_support::TestDb;

use crate::support::Users;

#[actix_web::test]
async fn others_verify_a_token_with_the_published_keys() {
    let users = Users::start().await;
    let session = users.sign_up("coco").await;
    let (status, jwks) = users.get("/.well-known/jwks.json").await;
    assert_eq!(status, 200);
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    assert!(!jwks.to_string().contains("\"d\""), "the private half stays at home");

    let keys = service::identity::Keys::remote(&users.url);
    let token = service::identity::Token::new(session["token"].as_str().unwrap());
    let claims = keys.verify(&token).await.unwrap();
    assert_eq!(json!(claims.sub), session["user"]["id"]);
    assert_eq!((claims.handle.as_str(), claims.exp - claims.iat), ("coco", 3600));
}

#[actix_web::test]
async fn forged_tokens_are_refused() {
    let (users, strangers) = (Users::start().await, Users::start().await);
    let (ours, theirs) = (users.sign_up("coco").await, strangers.sign_up("coco").await);
    let text = |session: &Value| session["token"].as_str().unwrap().to_owned();
    let parts: Vec<String> = text(&ours).split('.').map(str::to_owned).collect();
    let foreign: Vec<String> = text(&theirs).split('.').map(str::to_owned).collect();
    for token in [
        text(&theirs),
        format!("{}.{}.{}", parts[0], foreign[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        "x".repeat(10_000),
    ] {
        assert_eq!(users.sign_out(&token).await, 401, "{token}");
    }
    assert_eq!(users.sign_out(&text(&ours)).await, 204);
}

#[actix_web::test]
async fn replicas_that_start_together_share_one_key() {
    let db = TestDb::new().await;
    let (first, second) = futures::join!(
        users::Application::build(crate::support::config(&db)),
        users::Application::build(crate::support::config(&db)),
    );
    let mut kids = HashSet::new();
    for application in [first.unwrap(), second.unwrap()] {
        let url = format!("http://127.0.0.1:{}/.well-known/jwks.json", application.port());
        telemetry::spawn(application.run());
        let jwks: Value = awc::Client::default().get(url).send().await.unwrap().json().await.unwrap();
        kids.insert(jwks["keys"].to_string());
    }
    assert_eq!(kids.len(), 1);
}

#[actix_web::test]
async fn a_token_outlives_a_restart() {
    let users = Users::start().await;
    let token = users.sign_up("coco").await["token"].as_str().unwrap().to_owned();
    users.handle.stop(true).await;
    let users = Users::on(users.db).await;
    assert_eq!(users.sign_out(&token).await, 204);
}
