//! `up --pg-log`: what Postgres' own log tells is in the trace, also after Postgres was away.

use nix::sys::signal::Signal;

use crate::eventually;
use crate::http::Client;
use crate::system::{System, alive, signal};
use crate::trace::{self, text};

#[test]
fn the_servers_log_is_in_the_trace_of_who_it_speaks_of() {
    let system = System::start_with(&["--pg-log"], &[]);
    deadlock(&system);

    // It comes back with another file.
    signal(Signal::SIGINT, system.at.pids["postgres"]);
    let home = system.web("/api/activities/home?limit=3");
    eventually("the outage shows", || (Client::anonymous().get(&home).status != 200).then_some(()));
    eventually("the feed is back", || (Client::anonymous().get(&home).status == 200).then_some(()));
    deadlock(&system);

    let reader = system.at.pids["pg-log"];
    let (status, log) = system.stop();
    assert!(status.success(), "{log}");
    assert!(!alive(reader), "the reader outlived `up`");
}

fn deadlock(system: &System) {
    let reply =
        Client::anonymous().get_with(&system.web("/api/activities/home"), &[("x-lab-fault", "deadlock")]);
    assert_eq!(reply.status, 502, "{}", reply.body);
    let id = reply.trace_id();
    let told = || {
        let trace = system.trace_now(&id)?;
        let found = trace.spans.iter().any(|span| span.name == "deadlock detected");
        (found && trace::is_one_tree(&trace)).then_some(trace)
    };
    let trace = eventually("the reader told of the deadlock", told);
    for name in ["deadlock detected", "wait for ShareLock on transaction"] {
        let span = trace.spans.iter().find(|span| span.service == "postgresql" && span.name == name).unwrap();
        assert_eq!(trace::parent(&trace, span).unwrap().name, "transaction");
        // The other transaction, in the trace of the other request.
        let peer = text(span, "postgresql.lock.holder.traceparent").unwrap();
        assert_eq!((&peer[3..35], &peer[36..52]), (&*span.links[0].trace_id, &*span.links[0].span_id));
        assert_ne!(span.links[0].trace_id, trace.trace_id);
        let other = || system.trace_now(&span.links[0].trace_id);
        let other = eventually("the other request's trace", other);
        assert!(other.spans.iter().any(|it| it.span_id == span.links[0].span_id && it.name == "transaction"));
    }
}
