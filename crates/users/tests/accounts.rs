use serde_json::{Value, json};
use sqlx::ConnectOptions;

use crate::support::{PASSWORD, Users, kind};

#[actix_web::test]
async fn sign_up_sign_in_sign_out() {
    let users = Users::start().await;
    let up = users.sign_up("Coco").await;
    assert_eq!(up["user"]["handle"], "coco");
    assert_eq!(up["user"]["display_name"], "coco");
    assert_eq!(
        up["user"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["bio", "created_at", "display_name", "handle", "id"],
        "a profile tells neither the address nor the hash"
    );
    assert!(
        up["expires_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap()
            > chrono::Utc::now()
    );

    let (status, session) = users.sign_in("COCO", PASSWORD).await;
    assert_eq!((status, &session["user"]), (200, &up["user"]));

    let token = session["token"].as_str().unwrap();
    assert_eq!(users.sign_out(token).await, 204);
    assert_eq!(users.sign_out(token).await, 401, "the session has ended");
    // The other sign-in is a session of its own.
    assert_eq!(users.sign_out(up["token"].as_str().unwrap()).await, 204);
}

#[actix_web::test]
async fn a_wrong_password_and_an_unknown_handle_look_the_same() {
    let users = Users::start().await;
    users.sign_up("coco").await;
    let mut answers = Vec::new();
    for (handle, password) in [
        ("coco", "not her password"),
        ("nobody", PASSWORD),
        ("coco", "short"),
        ("no such handle!", PASSWORD),
        ("coco", &"x".repeat(1000)),
    ] {
        let (status, mut problem) = users.sign_in(handle, password).await;
        problem["trace_id"] = Value::Null;
        answers.push((status, problem));
    }
    assert_eq!(answers[0].0, 401);
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:#?}");
}

#[actix_web::test]
async fn handles_and_addresses_are_taken_once() {
    let users = Users::start().await;
    users.sign_up("coco").await;
    for (handle, email, says) in [
        ("coco", "other@example.com", "that handle is taken"),
        ("COCO", "other@example.com", "that handle is taken"),
        ("other", "coco@example.com", "that e-mail address is taken"),
        ("other", "COCO@Example.com", "that e-mail address is taken"),
    ] {
        let (status, problem) =
            users.post("/sign-up", &json!({"handle": handle, "email": email, "password": PASSWORD})).await;
        assert_eq!((status, kind(&problem)), (409, "conflict"), "{handle} {email}");
        assert_eq!(problem["detail"], says);
    }
}

#[actix_web::test]
async fn bad_input_is_told_what_is_wrong() {
    let users = Users::start().await;
    let good = json!({"handle": "coco", "email": "coco@example.com", "password": PASSWORD});
    for (field, value, expect) in [
        ("handle", json!("x"), 422),
        ("handle", json!("with blank"), 422),
        ("handle", json!("x".repeat(25)), 422),
        ("handle", json!("<script>"), 422),
        ("handle", json!("o'; DROP TABLE users; --"), 422),
        ("handle", json!(null), 400),
        ("handle", json!(1), 400),
        ("email", json!("coco"), 422),
        ("email", json!("a@b\r\nBcc: c@example.com"), 422),
        ("password", json!("1234567"), 422),
        ("password", json!("x".repeat(129)), 422),
        ("password", json!("x".repeat(70_000)), 413),
        // Nobody makes himself an administrator by naming a column.
        ("role", json!("admin"), 400),
        ("id", json!("0190a5d0-0000-7000-8000-000000000001"), 400),
        ("password_hash", json!("$argon2id$"), 400),
    ] {
        let mut form = good.clone();
        form[field] = value.clone();
        let (status, problem) = users.post("/sign-up", &form).await;
        assert_eq!(
            status,
            expect,
            "{field}={}: {problem}",
            value.to_string().chars().take(40).collect::<String>()
        );
        assert!(problem["trace_id"].is_string(), "{problem}");
    }
    let (status, _) = users.post("/sign-up", &json!([])).await;
    assert_eq!(status, 400);
    assert_eq!(users.post("/sign-up", &good).await.0, 201);
}

#[actix_web::test]
async fn many_sign_ins_at_once_wait_for_a_permit_or_are_told_so() {
    let users = Users::start().await;
    users.sign_up("coco").await;
    let answers = futures::future::join_all((0..8).map(|_| users.sign_in("coco", PASSWORD))).await;
    for (status, body) in answers {
        assert!(matches!(status, 200 | 503), "{status} {body}");
    }
}

#[actix_web::test]
async fn a_database_that_goes_away_and_comes_back_needs_no_restart() {
    let users = Users::start().await;
    users.sign_up("coco").await;
    assert_eq!(users.get("/ready").await.0, 200);
    let mut superuser = test_support::postgres().await.superuser("postgres").connect().await.unwrap();
    let mut run = async |statement: String| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut superuser).await.unwrap();
    };
    let name = users.db.name();
    run(format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false")).await;
    run(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")).await;
    let (status, problem) = users.get("/users/@coco").await;
    assert_eq!(status / 100, 5, "{problem}");
    assert!(!problem.to_string().contains(name), "the cause stays in the log: {problem}");
    assert_eq!(users.get("/ready").await.0, 503);
    assert_eq!(users.get("/health").await.0, 200);

    run(format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true")).await;
    test_support::eventually("the service answers again", async || {
        (users.get("/users/@coco").await.0 == 200).then_some(())
    })
    .await;
}
