use std::collections::HashSet;

use test_support::TestDb;

use crate::support::{PASSWORD, Users, config};

#[actix_web::test]
async fn the_seed_is_the_same_every_time_but_for_its_passwords() {
    let (one, other) = (TestDb::new().await, TestDb::new().await);
    let (first, second) =
        (users::seed(&config(&one)).await.unwrap(), users::seed(&config(&other)).await.unwrap());
    let people = |seeded: &users::Seeded| -> Vec<_> {
        seeded.users.iter().map(|user| (user.id, user.handle.clone(), user.bio.clone())).collect()
    };
    assert_eq!(people(&first), people(&second));
    assert_eq!(first.users.len(), 40);
    let passwords: HashSet<_> =
        first.demo_accounts.iter().chain(&second.demo_accounts).map(|account| &account.password).collect();
    assert_eq!(passwords.len(), 6, "each is made anew");

    // A second seeding changes nothing and shows no password again.
    let again = users::seed(&config(&one)).await.unwrap();
    assert_eq!(again.users, first.users);
    assert!(again.demo_accounts.is_empty());

    let service = Users::on(one).await;
    for account in &first.demo_accounts {
        assert_eq!(service.sign_in(&account.handle, &account.password).await.0, 200, "{}", account.handle);
    }
    // The rest have no password at all, and cannot be told from those who have.
    assert_eq!(service.sign_in("ada", PASSWORD).await.0, 401);
}
