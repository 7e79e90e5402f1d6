//! Environment in, destinations out, as text.

use env::Env;
use throughline_sinks::rollbar::Config;

fn destinations(pairs: &[(&str, &str)]) -> String {
    let config = Config::from_env(&Env::from_pairs(pairs.iter().copied())).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.is_off(), config.destinations.is_empty());
    let told = config.destinations.iter().map(|it| {
        let token = it.token.as_ref().map(|token| format!(" by {}", token.expose())).unwrap_or_default();
        format!("{} {}{token}", it.name, it.url)
    });
    told.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_token_is_enough_and_the_console_takes_any() {
    let check = |pairs: &[(&str, &str)], expect: &str| assert_eq!(destinations(pairs), expect, "{pairs:?}");
    check(&[], "");
    check(&[("ROLLBAR_ENDPOINT", "http://a")], "");
    check(&[("ROLLBAR_ACCESS_TOKEN", "t")], "rollbar https://api.rollbar.com/api/1/item/ by t");
    let with = |endpoint: &'static str, expect: &str| {
        check(
            &[("ROLLBAR_ACCESS_TOKEN", "t"), ("ROLLBAR_ENDPOINT", endpoint)],
            &format!("rollbar {expect} by t"),
        );
    };
    with("http://a:1", "http://a:1/api/1/item/");
    with("http://a:1/", "http://a:1/api/1/item/");
    with("http://a:1/api/1/item/", "http://a:1/api/1/item/");
    with("http://a:1/api/1/item", "http://a:1/api/1/item/");
    with("http://a:1/behind", "http://a:1/behind/api/1/item/");
    check(
        &[("CONSOLE_ROLLBAR_ENDPOINT", "http://c:4380")],
        "console-rollbar http://c:4380/api/1/item/ by console",
    );
}

#[test]
fn a_bad_value_is_one_line() {
    let check = |name: &str, value: &str, expect: &str| {
        let error = Config::from_env(&Env::from_pairs([(name, value)])).unwrap_err();
        assert_eq!(error.to_string(), expect);
    };
    check(
        "ROLLBAR_ACCESS_TOKEN",
        "two words",
        "ROLLBAR_ACCESS_TOKEN: is not usable in a header (the value is not shown, it may be a secret); \
         for example ROLLBAR_ACCESS_TOKEN=0123456789abcdef0123456789abcdef",
    );
    check(
        "ROLLBAR_LEVEL",
        "info",
        "ROLLBAR_LEVEL: \"info\" is neither error nor warning; for example ROLLBAR_LEVEL=warning",
    );
    check(
        "ROLLBAR_PERSON",
        "id,name",
        "ROLLBAR_PERSON: \"name\" is none of id, username and email; for example ROLLBAR_PERSON=id,username",
    );
    check(
        "ROLLBAR_ITEMS_PER_MINUTE",
        "0",
        "ROLLBAR_ITEMS_PER_MINUTE: \"0\" is too small: 1 is the least; for example ROLLBAR_ITEMS_PER_MINUTE=60",
    );
    let named = |name: &str, value: &str| {
        let error = Config::from_env(&Env::from_pairs([(name, value)])).unwrap_err();
        assert_eq!(error.variable, name);
    };
    named("ROLLBAR_ENDPOINT", "api.rollbar.com");
    named("CONSOLE_ROLLBAR_ENDPOINT", "ftp://c");
    named("HONEYCOMB_UI_URL", "ui");
    named("ROLLBAR_DEPLOY", "maybe");
}
