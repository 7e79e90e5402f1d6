//! Errors in, items out, over a real socket; every item is checked by the schema of Rollbar's documentation.

use std::backtrace::Backtrace;
use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use delivery::Flushed;
use env::Env;
use serde_json::{Map, Value, json};
use throughline_sinks::rollbar::{
    Cause, Config, Deploy, Item, Level, Person, Process, Request, Rollbar, announce,
};

use crate::json_schema::Schema;
use crate::receiver::{Receiver, Reply};

const LONG: Duration = Duration::from_secs(20);
const TRACE_ID: &str = "6b01818ce2d927644bba900a3fbf6eec";

fn start(pairs: &[(&str, &str)]) -> Rollbar {
    Rollbar::start(&config(pairs), process()).unwrap()
}

fn config(pairs: &[(&str, &str)]) -> Config {
    Config::from_env(&Env::from_pairs(pairs.iter().copied())).unwrap()
}

fn process() -> Process {
    Process { service: "gateway".to_owned(), code_version: "v1.2-3-gabcdef".to_owned() }
}

/// What arrived, each one checked.
fn items(receiver: &Receiver) -> Vec<Value> {
    let schema = schema();
    let requests = receiver.requests();
    let read = requests.iter().map(|request| {
        assert_eq!(request.path, "/api/1/item/");
        assert_eq!(request.header("content-type"), Some("application/json"));
        let item: Value = serde_json::from_slice(&request.body).unwrap();
        schema.check(&item).unwrap_or_else(|problem| panic!("{problem}: {item:#}"));
        item["data"].clone()
    });
    read.collect()
}

fn schema() -> Schema {
    Schema::parse(include_str!("fixtures/rollbar-item.schema.json"))
}

fn report(rollbar: &Rollbar, item: Item) {
    if let Some(item) = rollbar.admit(item) {
        rollbar.send(item);
    }
}

fn cause(class: &str, message: &str) -> Cause {
    Cause { class: class.to_owned(), message: message.to_owned() }
}

/// One with everything that there can be.
fn full() -> Item {
    let headers = [("host", "localhost"), ("cookie", "session=abc"), ("authorization", "Bearer abc")];
    Item {
        causes: vec![cause("StoreError", "the page cannot be read"), cause("PoolTimedOut", "no connection")],
        backtrace: Some(Backtrace::force_capture()),
        trace_id: Some(TRACE_ID.to_owned()),
        span_id: Some("a1b629d468797c3c".to_owned()),
        route: Some("GET /api/activities/home".to_owned()),
        request: Some(Request {
            method: "GET".to_owned(),
            url: "http://localhost/api/activities/home?before=1&token=abc".to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            peer: Some("10.1.2.3".to_owned()),
            status: Some(500),
        }),
        person: Some(Person {
            id: "u-1".to_owned(),
            username: Some("ana".to_owned()),
            email: Some("ana@example.org".to_owned()),
        }),
        fields: Map::from_iter([
            ("upstream".to_owned(), json!("activities")),
            ("api_key".to_owned(), json!("abc")),
            ("address".to_owned(), json!("postgres://gateway:abc@db/x")),
        ]),
        ..Item::new(Level::Error, "activities::error", "request failed")
    }
}

#[test]
fn an_item_tells_all_and_no_secret() {
    let receiver = Receiver::start(|_, _| Reply::ok());
    let rollbar = start(&[
        ("ROLLBAR_ACCESS_TOKEN", "t0k3n"),
        ("ROLLBAR_ENDPOINT", &receiver.url()),
        ("THROUGHLINE_ENV", "staging"),
        ("CONSOLE_URL", "http://localhost:4380/"),
        ("HONEYCOMB_UI_URL", "https://ui.honeycomb.io/us/environments/test"),
        ("AWS_REGION", "eu-central-1"),
    ]);
    report(&rollbar, full());
    assert!(rollbar.flush(LONG).iter().all(Flushed::is_complete));
    assert_eq!(receiver.requests()[0].header("x-rollbar-access-token"), Some("t0k3n"));
    let text = String::from_utf8(receiver.requests()[0].body.clone()).unwrap();
    for secret in ["abc@", "Bearer abc", "=abc", "\"abc\"", "ana@example.org", "\"ana\"", "10.1.2.3"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let mut item = items(&receiver).remove(0);
    for changing in ["uuid", "timestamp", "fingerprint"] {
        assert!(!item[changing].take().is_null());
    }
    assert!(!item["server"]["host"].take().is_null());
    // This test's own stack; what becomes of frames is looked at where they are made.
    assert!(item["body"]["trace_chain"][0]["frames"].take().is_array());
    let expect = json!({
        "environment": "staging", "level": "error", "timestamp": null, "uuid": null, "fingerprint": null,
        "platform": std::env::consts::OS, "language": "rust", "framework": "actix-web",
        "code_version": "v1.2-3-gabcdef", "title": "StoreError: the page cannot be read",
        "context": "GET /api/activities/home",
        "notifier": {"name": "throughline", "version": env!("CARGO_PKG_VERSION")},
        "server": {"host": null, "code_version": "v1.2-3-gabcdef", "service": "gateway"},
        "request": {
            "method": "GET", "url": "http://localhost/api/activities/home?before=1&token=***",
            "query_string": "before=1&token=***", "headers": {"host": "localhost"}, "user_ip": "10.1.2.0", "status": 500,
        },
        "person": {"id": "u-1"},
        "attributes": [{"key": "trace_id", "value": TRACE_ID}, {"key": "span_id", "value": "a1b629d468797c3c"}],
        "custom": {
            "upstream": "activities", "api_key": "***", "address": "postgres://***@db/x",
            "service": "gateway", "target": "activities::error",
            "trace_id": TRACE_ID, "xray_trace_id": "1-6b01818c-e2d927644bba900a3fbf6eec", "span_id": "a1b629d468797c3c",
            "links": {
                "console": format!("http://localhost:4380/trace/{TRACE_ID}"),
                "honeycomb":
                    format!("https://ui.honeycomb.io/us/environments/test/datasets/gateway/trace?trace_id={TRACE_ID}"),
                "xray": "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1\
                         #xray:traces/1-6b01818c-e2d927644bba900a3fbf6eec",
            },
        },
        "body": {"trace_chain": [
            {"frames": null, "exception":
                {"class": "StoreError", "message": "the page cannot be read", "description": "request failed"}},
            {"frames": [], "exception": {"class": "PoolTimedOut", "message": "no connection"}},
        ]},
    });
    assert_eq!(item, expect, "{item:#}");
}

#[test]
fn each_kind_of_item_meets_the_schema() {
    let receiver = Receiver::start(|_, _| Reply::ok());
    let rollbar = start(&[
        ("CONSOLE_ROLLBAR_ENDPOINT", &receiver.url()),
        ("ROLLBAR_PERSON", "username,email"),
        ("THROUGHLINE_ENV", &"e".repeat(300)),
    ]);
    let new = |message: &str| Item::new(Level::Error, "here", message);
    report(&rollbar, Item::new(Level::Warning, "rollbar", "Hello World!"));
    report(
        &rollbar,
        Item { backtrace: Some(Backtrace::force_capture()), ..Item::new(Level::Critical, "panic", "oops") },
    );
    report(&rollbar, Item { causes: vec![cause("E", "one")], ..new("request failed") });
    report(&rollbar, full());
    report(&rollbar, new(&"long ".repeat(300_000)));
    report(
        &rollbar,
        Item {
            route: Some("r".repeat(400)),
            person: Some(Person { id: "i".repeat(99), ..Person::default() }),
            ..new("")
        },
    );
    let browser = json!({
        "environment": "forged", "platform": "browser", "level": "error", "timestamp": 1_795_260_812,
        "uuid": "0d6f0c2e6f0b4f4e9a3b2a2d7e1f0001",
        "body": {"message": {"body": "in the browser"}}, "custom": {"trace_id": TRACE_ID, "service": "cruddur-web", "password": "x"},
        "request": {"url": "http://localhost/?token=abc", "query_string": "?token=abc"},
    });
    rollbar.relay(browser.as_object().unwrap().clone());
    assert!(rollbar.flush(LONG).iter().all(Flushed::is_complete));
    let items = items(&receiver);
    let shape = |item: &Value| {
        let body = item["body"].as_object().unwrap().keys().next().unwrap().clone();
        format!("{} {body}", item["level"].as_str().unwrap())
    };
    let shapes: Vec<_> = items.iter().map(shape).collect();
    let expect = [
        "warning message",
        "critical trace",
        "error trace",
        "error trace_chain",
        "error message",
        "error message",
        "error message",
    ];
    assert_eq!(shapes, expect);
    assert_eq!(items[3]["person"], json!({"id": "u-1", "username": "ana", "email": "ana@example.org"}));
    assert!(items[4]["body"]["message"]["body"].as_str().unwrap().starts_with("long long"));
    let relayed = &items[6];
    assert_eq!(relayed["environment"], "e".repeat(255));
    assert_eq!(
        relayed["request"],
        json!({"url": "http://localhost/?token=***", "query_string": "?token=***"})
    );
    assert_eq!(relayed["custom"]["xray_trace_id"], "1-6b01818c-e2d927644bba900a3fbf6eec");
    assert_eq!(relayed["custom"]["password"], "***");
}

#[test]
fn the_schema_refuses_what_rollbar_refuses() {
    let schema = schema();
    let good = json!({"data": {"environment": "x", "body": {"message": {"body": "y"}}}});
    assert_eq!(schema.check(&good), Ok(()));
    for (path, value) in [
        ("/data/environment", Value::Null),
        ("/data/body", json!({})),
        (
            "/data/body",
            json!({"message": {"body": "y"}, "trace": {"frames": [], "exception": {"class": "E"}}}),
        ),
        ("/data/body", json!({"trace": {"frames": [], "exception": {"message": "no class"}}})),
        ("/data/body", json!({"trace": {"frames": [{"lineno": 1}], "exception": {"class": "E"}}})),
        ("/data/body", json!({"trace_chain": []})),
        ("/data", json!({"body": {"message": {"body": "y"}}})),
        (
            "/data",
            json!({"environment": "x", "body": {"message": {"body": "y"}}, "fingerprint": "f".repeat(41)}),
        ),
        ("/data", json!({"environment": "x", "body": {"message": {"body": "y"}}, "level": "fatal"})),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(path).unwrap() = value;
        assert!(schema.check(&bad).is_err(), "{bad}");
    }
}

#[test]
fn what_cannot_be_taken_now_comes_later_under_the_same_id() {
    let receiver = Receiver::start(|n, _| match n {
        0 => Reply::status(502),
        1 => Reply::Reset,
        2 => Reply::Answer {
            status: 429,
            headers: &[("x-rate-limit-remaining-seconds", "0")],
            body: Vec::new(),
        },
        3 => Reply::Answer { status: 429, headers: &[("retry-after", "0")], body: Vec::new() },
        _ => Reply::ok(),
    });
    let rollbar = start(&[("CONSOLE_ROLLBAR_ENDPOINT", &receiver.url())]);
    report(&rollbar, full());
    assert!(rollbar.flush(LONG).iter().all(Flushed::is_complete));
    let items = items(&receiver);
    let ids: HashSet<_> = items.iter().map(|item| item["uuid"].as_str().unwrap()).collect();
    assert_eq!((items.len(), ids.len()), (5, 1));
    let report = rollbar.report().destinations.remove(0);
    assert_eq!((report.delivered, report.retried), (1, 4));
}

#[test]
fn a_refusal_in_a_200_is_counted_as_one() {
    let body = br#"{"err": 1, "message": "invalid access token"}"#.to_vec();
    let receiver =
        Receiver::start(move |_, _| Reply::Answer { status: 200, headers: &[], body: body.clone() });
    let rollbar = start(&[("CONSOLE_ROLLBAR_ENDPOINT", &receiver.url())]);
    report(&rollbar, full());
    assert!(!rollbar.flush(LONG)[0].is_complete());
    let report = rollbar.report().destinations.remove(0);
    assert_eq!((report.delivered, report.refused_total()), (0, 1));
    assert!(report.last_problem.unwrap().contains("invalid access token"));
}

/// The measure in small: tests/bench/storm has it over HTTP.
#[test]
fn a_storm_of_ten_thousand_is_a_dozen_items_that_sum_up() {
    let receiver = Receiver::start(|_, _| Reply::ok());
    let rollbar = start(&[("CONSOLE_ROLLBAR_ENDPOINT", &receiver.url())]);
    thread::scope(|scope| {
        for worker in 0..4 {
            let rollbar = &rollbar;
            scope.spawn(move || {
                for n in 0..2_500 {
                    let message = format!("no user {}", worker * 2_500 + n);
                    report(
                        rollbar,
                        Item {
                            causes: vec![cause("NotFound", &message)],
                            ..Item::new(Level::Error, "here", "request failed")
                        },
                    );
                }
            });
        }
        // Another fault in the middle of it is heard.
        report(&rollbar, Item::new(Level::Error, "here", "something else"));
    });
    assert!(rollbar.flush(LONG).iter().all(Flushed::is_complete));
    assert_eq!(items(&receiver).len(), 11, "ten of the storm, one of the other");
    assert!(rollbar.shutdown(LONG).iter().all(Flushed::is_complete));
    let items = items(&receiver);
    assert_eq!(items.len(), 12, "and the count");
    let stands_for = |item: &Value| 1 + item["custom"]["suppressed"].as_u64().unwrap_or(0);
    assert_eq!(items.iter().map(stands_for).sum::<u64>(), 10_001);
    let fingerprints: HashSet<_> = items.iter().map(|item| item["fingerprint"].as_str().unwrap()).collect();
    assert_eq!(fingerprints.len(), 2);
    let report = rollbar.report();
    assert_eq!((report.seen, report.admitted, report.suppressed, report.summaries), (10_001, 11, 9_990, 1));
}

#[test]
fn a_receiver_that_is_away_holds_nothing_up_and_everything_is_counted() {
    let away = format!("http://{}", Receiver::nowhere());
    let rollbar = start(&[("CONSOLE_ROLLBAR_ENDPOINT", &away)]);
    report(&rollbar, full());
    assert_eq!(rollbar.flush(Duration::from_millis(300))[0].pending, 1);
    assert!(!rollbar.shutdown(Duration::from_millis(50))[0].is_complete());
    assert!(rollbar.report().destinations.iter().all(delivery::Report::is_balanced));
}

#[test]
fn items_of_browsers_go_under_the_token_for_browsers() {
    let (vendor, console) = (Receiver::start(|_, _| Reply::ok()), Receiver::start(|_, _| Reply::ok()));
    let rollbar = start(&[
        ("ROLLBAR_ACCESS_TOKEN", "server"),
        ("ROLLBAR_CLIENT_ACCESS_TOKEN", "client"),
        ("ROLLBAR_ENDPOINT", &vendor.url()),
        ("CONSOLE_ROLLBAR_ENDPOINT", &console.url()),
    ]);
    let browser = json!({"body": {"message": {"body": "in the browser"}}});
    rollbar.relay(browser.as_object().unwrap().clone());
    assert!(rollbar.flush(LONG).iter().all(Flushed::is_complete));
    report(&rollbar, Item::new(Level::Error, "here", "on the server"));
    assert!(rollbar.flush(LONG).iter().all(Flushed::is_complete));
    let tokens: Vec<_> =
        vendor.requests().iter().map(|it| it.header("x-rollbar-access-token").unwrap().to_owned()).collect();
    assert_eq!(tokens, ["client", "server"]);
    assert_eq!(console.requests().len(), 2);
    // Keys are the vendor's alone.
    assert!(console.requests().iter().all(|it| it.header("x-rollbar-access-token") == Some("console")));
}

#[test]
fn a_deploy_is_announced_to_each_destination() {
    let (vendor, refusing) =
        (Receiver::start(|_, _| Reply::ok()), Receiver::start(|_, _| Reply::status(403)));
    let config = config(&[
        ("ROLLBAR_ACCESS_TOKEN", "t0k3n"),
        ("ROLLBAR_ENDPOINT", &vendor.url()),
        ("CONSOLE_ROLLBAR_ENDPOINT", &refusing.url()),
    ]);
    let deploy = Deploy { status: "succeeded".to_owned(), comment: "by hand".to_owned() };
    let answers = announce(&config, &process(), &deploy, LONG).unwrap();
    let told: Vec<_> =
        answers.iter().map(|it| (it.destination.as_str(), it.delivered, it.refused_total())).collect();
    assert_eq!(told, [("rollbar", 1, 0), ("console-rollbar", 0, 1)]);
    let request = vendor.requests().remove(0);
    assert_eq!(
        (request.path.as_str(), request.header("x-rollbar-access-token")),
        ("/api/1/deploy", Some("t0k3n"))
    );
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let expect = json!({
        "environment": "development", "revision": "v1.2-3-gabcdef", "comment": "by hand", "local_username": "gateway",
        "status": "succeeded",
    });
    assert_eq!(body, expect);
}
