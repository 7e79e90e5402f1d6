//! Who calls whom. A new service is one row plus its edges; both are proved.

use std::collections::BTreeSet;

use console::wire::Kind;
use serde_json::json;

use crate::http::Client;
use crate::system::shared;
use crate::trace::{self, text};

const SERVICES: [&str; 4] = ["frontend-proxy", "gateway", "activities", "users"];

/// Parent and child of every step between processes; a database stands for itself as `postgresql/NAME`.
const EDGES: [(&str, &str); 5] = [
    ("activities", "postgresql/activities"),
    ("frontend-proxy", "gateway"),
    ("gateway", "activities"),
    ("gateway", "users"),
    ("users", "postgresql/users"),
];

#[test]
fn every_edge_is_there_and_no_other() {
    let system = shared();
    let anonymous = Client::anonymous();
    let person = system.sign_up();
    let post = system.post(&person, "hello topology");
    let uuid = post["uuid"].as_str().unwrap();

    let replies = [
        anonymous.get(&system.web("/api/activities/home")),
        anonymous.get(&system.web(&format!("/api/activities/@{}", person.handle))),
        anonymous.get(&system.web(&format!("/api/activities/{uuid}"))),
        anonymous.get(&system.web("/api/activities/search?term=topology")),
        anonymous.get(&system.web(&format!("/api/users/@{}", person.handle))),
        person.client.get(&system.web("/api/activities/notifications")),
        person
            .client
            .post(&system.web(&format!("/api/activities/{uuid}/reply")), &json!({ "message": "hi" })),
        person.client.post(&system.web("/api/auth/sign-out"), &json!({})),
    ];

    let (mut services, mut edges) = (BTreeSet::new(), BTreeSet::new());
    for reply in replies {
        assert!((200..300).contains(&reply.status), "{reply:?}");
        let trace = system.trace(&reply.trace_id(), &["frontend-proxy", "gateway"]);
        for span in &trace.spans {
            services.insert(span.service.clone());
            if let Some(database) = text(span, "db.namespace").filter(|_| span.kind == Kind::Client) {
                let system = text(span, "db.system.name").unwrap();
                edges.insert((span.service.clone(), format!("{system}/{database}")));
            }
            let Some(parent) = trace::parent(&trace, span) else { continue };
            if parent.service != span.service {
                assert_eq!((parent.kind, span.kind), (Kind::Client, Kind::Server), "{}", trace::tree(&trace));
                edges.insert((parent.service.clone(), span.service.clone()));
            }
        }
    }

    let expect = |names: &[(&str, &str)]| -> BTreeSet<(String, String)> {
        names.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    };
    assert_eq!(services, SERVICES.map(str::to_owned).into());
    assert_eq!(edges, expect(&EDGES));
}

#[test]
fn every_role_is_alive_and_ready() {
    for url in shared().roles() {
        for path in ["/health", "/ready"] {
            let reply = Client::anonymous().get(&format!("{url}{path}"));
            assert_eq!(reply.status, 200, "{url}{path}: {}", reply.body);
        }
    }
}

#[test]
fn a_trace_is_found_by_either_spelling_of_its_id() {
    let system = shared();
    let reply = Client::anonymous().get(&system.web("/api/activities/home"));
    let id = reply.trace_id();
    system.trace(&id, &SERVICES);
    let xray = format!("1-{}-{}", &id[..8], &id[8..]);
    assert_eq!(system.trace_now(&xray).unwrap().trace_id, id);
    assert!(reply.header("x-amzn-trace-id").unwrap().contains(&xray), "{reply:?}");
    assert!(reply.header("server-timing").unwrap().contains(&id), "{reply:?}");
}
