//! What people write is theirs: it is in rows and in parameters, and in no span, log line or item.

use serde_json::{Value, json};

use crate::eventually;
use crate::http::{Client, Reply};
use crate::system::{System, shared};

#[test]
fn what_people_write_is_in_no_span_no_line_and_no_item() {
    let system = shared();
    let secret = format!("canary-{}", std::process::id());
    let form = json!({
        "handle": format!("c{}", std::process::id()),
        "email": format!("{secret}@example.com"),
        "password": format!("{secret} is long enough"),
    });
    let sign_up = Client::anonymous().post(&system.web("/api/auth/sign-up"), &form);
    assert_eq!(sign_up.status, 201, "{}", sign_up.body);
    let person = Client::with_token(sign_up.json()["token"].as_str().unwrap());
    let message = json!({ "message": format!("{secret} coffee"), "ttl": "1-day" });
    let post = person.post(&system.web("/api/activities"), &message);
    assert_eq!(post.status, 201, "{}", post.body);
    let uuid = post.json()["uuid"].as_str().unwrap().to_owned();
    let answer = json!({ "message": format!("{secret} as well") });
    let reply = person.post(&system.web(&format!("/api/activities/{uuid}/reply")), &answer);
    assert_eq!(reply.status, 201, "{}", reply.body);
    let get = |path: &str| person.get(&system.web(path));
    let home = get("/api/activities/home?limit=5");
    assert!(home.body.contains(&secret), "{}", home.body);
    // Rows that hold it are scanned, locked, and fought over until a statement fails.
    let broken = ["missing-index", "lock-wait", "deadlock"]
        .map(|fault| person.get_with(&system.web("/api/activities/home?limit=5"), &[("x-lab-fault", fault)]));
    assert_eq!(broken[2].status, 502, "{}", broken[2].body);
    let thread = get(&format!("/api/activities/{uuid}"));
    let wrong = json!({ "handle": "nobody", "password": secret });
    let refused = Client::anonymous().post(&system.web("/api/auth/sign-in"), &wrong);
    assert_eq!(refused.status, 401, "{}", refused.body);

    for reply in [sign_up, post, reply, home, thread, refused].into_iter().chain(broken) {
        let known = known_of(system, &reply);
        assert!(!known.contains(&secret), "{known}");
    }
}

/// All that was told of a request: its spans, its log lines, its items.
fn known_of(system: &System, reply: &Reply) -> String {
    let id = reply.trace_id();
    let services: &[&str] = if reply.status < 500 { &["frontend-proxy", "gateway"] } else { &["activities"] };
    let mut known = serde_json::to_string(&system.trace(&id, services)).unwrap();
    known += &console(system, &format!("/api/logs?trace_id={id}&limit=100")).to_string();
    if reply.status < 500 {
        return known;
    }
    let groups = eventually(&format!("an item of {id}"), || {
        let groups = console(system, &format!("/api/errors?status=all&trace_id={id}"));
        groups["groups"].as_array().filter(|groups| !groups.is_empty()).cloned()
    });
    for group in groups {
        let group = group["id"].as_str().unwrap().to_owned();
        known += &console(system, &format!("/api/errors/{group}")).to_string();
    }
    known
}

#[track_caller]
fn console(system: &System, path: &str) -> Value {
    let reply = Client::anonymous().get(&format!("{}{path}", system.at.console));
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.json()
}
