use crate::support::{Users, kind};

#[actix_web::test]
async fn a_profile_by_handle() {
    let users = Users::start().await;
    let coco = users.sign_up("coco").await["user"].clone();
    for (path, expect) in [
        ("/users/@coco", 200),
        ("/users/@Coco", 200),
        ("/users/@nobody", 404),
        ("/users/@x", 404),
        ("/users/@%27%20OR%201=1", 404),
        ("/users/coco", 404),
    ] {
        let (status, body) = users.get(path).await;
        assert_eq!(status, expect, "{path}");
        if status == 200 {
            assert_eq!(body, coco);
        } else {
            assert_eq!(kind(&body), "not-found");
        }
    }
}

#[actix_web::test]
async fn many_profiles_in_one_request() {
    let users = Users::start().await;
    let mut ids = Vec::new();
    for handle in ["coco", "worf", "garek"] {
        ids.push(users.sign_up(handle).await["user"]["id"].as_str().unwrap().to_owned());
    }
    let check = async |query: String, expect_status: u16, expect: &[&str]| {
        let (status, body) = users.get(&format!("/users?ids={query}")).await;
        assert_eq!(status, expect_status, "{query}: {body}");
        let handles: Vec<&str> = body["users"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|user| user["handle"].as_str().unwrap())
            .collect();
        assert_eq!(handles, expect, "{query}");
    };
    let nobody = "00000000-0000-0000-0000-000000000000";
    check(ids.join(","), 200, &["coco", "garek", "worf"]).await;
    check(format!("{},{nobody},{}", ids[0], ids[0]), 200, &["coco"]).await;
    check(nobody.to_owned(), 200, &[]).await;
    check(String::new(), 200, &[]).await;
    check("not-a-uuid".to_owned(), 422, &[]).await;
    check(vec![nobody; 100].join(","), 200, &[]).await;
    check(vec![nobody; 101].join(","), 422, &[]).await;
    assert_eq!(users.get("/users").await.0, 400);
}
