//! Each fault of the laboratory can be told from its trace alone: by the span, attribute or link that a person would
//! look for. See `docs/laboratory.md`.

use std::time::Duration;

use test_support::TestDb;
use uuid::Uuid;

use crate::spans::{Span, of_trace};
use crate::support::{Activities, Reply};

const POOL: &str = "throughline.db.pool.max_connections";
const LOCKED: &str = "postgresql.lock.object";
const HOLDER: &str = "postgresql.lock.holder.traceparent";
const MISESTIMATE: &str = "postgresql.plan.rows.misestimate";
const REMOVED: &str = "postgresql.plan.rows.removed_by_filter";
const TEXT: &str = "db.query.text";

/// Thousands of posts, as a plan depends on how many there are.
async fn seeded(environment: &[(&str, &str)]) -> Activities {
    let service = Activities::with(TestDb::new().await, environment).await;
    let db = telemetry::postgres::DbConfig::new(service.db.url());
    let db = telemetry::postgres::Db::connect(&db).await.unwrap();
    let authors: Vec<_> = (1..=4).map(Uuid::from_u128).collect();
    assert!(activities::seed(&db, &authors).await.unwrap() > 1_000);
    service
}

/// Its trace, when the request has ended and the plans of its statements were read.
async fn trace_of(reply: &Reply) -> Vec<Span> {
    of_trace(&reply.trace_id, |spans| {
        let statements = spans.iter().filter(|span| span.name == "SELECT posts" && span.events.is_empty());
        let plan =
            |statement: &Span| spans.iter().any(|it| it.parent == statement.id && it.name == "execute");
        spans.iter().any(|span| span.parent.is_empty()) && statements.clone().all(plan)
    })
    .await
}

/// What is below `span`, however deep.
fn below<'a>(trace: &'a [Span], span: &Span) -> Vec<&'a Span> {
    let children: Vec<_> = trace.iter().filter(|it| it.parent == span.id).collect();
    let deeper: Vec<_> = children.iter().flat_map(|child| below(trace, child)).collect();
    [children, deeper].concat()
}

#[track_caller]
fn the<'a>(trace: &'a [Span], what: &str, wanted: impl Fn(&Span) -> bool) -> &'a Span {
    let found: Vec<_> = trace.iter().filter(|span| wanted(span)).collect();
    assert_eq!(found.len(), 1, "{what}: {found:#?}\nin {trace:#?}");
    found[0]
}

/// The traceparent of another request's transaction.
async fn transaction_elsewhere(reply: &Reply, traceparent: &str) {
    let mut parts = traceparent.split('-').skip(1);
    let (trace_id, span_id) = (parts.next().unwrap(), parts.next().unwrap());
    assert_ne!(trace_id, reply.trace_id);
    let other = of_trace(trace_id, |spans| spans.iter().any(|span| span.name == "another request")).await;
    assert_eq!(the(&other, "the one who held it", |span| span.id == span_id).name, "transaction");
}

#[actix_web::test]
async fn a_missing_index_is_a_scan_that_throws_rows_away() {
    let service = seeded(&[]).await;
    let with = trace_of(&service.get("/activities/home").await).await;
    assert!(with.iter().any(|span| span.name == "Index Scan using posts_home on posts"), "{with:#?}");

    let reply = service.home_with("missing-index").await;
    assert_eq!(reply.uuids().len(), 5);
    let without = trace_of(&reply).await;
    assert!(
        !without.iter().any(|span| span.attributes.contains_key("postgresql.plan.index")),
        "{without:#?}"
    );
    let scans = without.iter().filter(|span| span.name.starts_with("Seq Scan on posts"));
    let removed = scans.map(|span| span.attributes[REMOVED].parse::<f64>().unwrap());
    assert!(removed.sum::<f64>() > 1_000.0, "{without:#?}");
}

#[actix_web::test]
async fn one_more_statement_for_each_post_is_one_text_many_times() {
    let service = seeded(&[]).await;
    let reply = service.home_with("n-plus-one").await;
    assert_eq!(reply.uuids().len(), 5);
    let trace = trace_of(&reply).await;
    let statements: Vec<_> = trace.iter().filter(|span| span.name == "SELECT posts").collect();
    // One post more is read than is shown, to know whether there is a next page.
    assert_eq!(statements.len(), 1 + 6);
    let again = statements.iter().filter(|span| span.attributes[TEXT] == statements[1].attributes[TEXT]);
    assert_eq!(again.count(), 6);
    assert!(statements.iter().all(|span| span.parent == statements[0].parent), "side by side");
}

#[actix_web::test]
async fn a_lock_is_a_link_to_the_trace_that_held_it() {
    let service = seeded(&[]).await;
    let reply = service.home_with("lock-wait").await;
    assert_eq!(reply.uuids().len(), 5);
    let trace = trace_of(&reply).await;
    let waited = the(&trace, "the one who waited", |span| span.attributes.contains_key(LOCKED));
    assert_eq!(waited.attributes[LOCKED], "transaction");
    assert!(waited.attributes[TEXT].contains("FOR UPDATE") && waited.took > Duration::from_millis(200));
    let traceparent = &waited.attributes[HOLDER];
    let (linked, span) = &waited.links[0];
    assert!(traceparent.contains(linked) && traceparent.contains(span), "{waited:#?}");
    transaction_elsewhere(&reply, traceparent).await;
}

#[actix_web::test]
async fn a_deadlock_is_an_event_that_names_the_other() {
    let service = seeded(&[]).await;
    let reply = service.home_with("deadlock").await;
    assert_eq!(reply.problem(), (500, "internal"));
    let trace = trace_of(&reply).await;
    let victim = the(&trace, "the victim", |span| span.events.iter().any(|(name, _)| name == "deadlock"));
    assert_eq!(victim.attributes["db.response.status_code"], "40P01");
    let (_, other) = victim.events.iter().find(|(name, _)| name == "deadlock").unwrap();
    assert_eq!(*other, victim.attributes[HOLDER]);
    transaction_elsewhere(&reply, other).await;
}

#[actix_web::test]
async fn a_pool_of_one_is_a_wait_before_the_statement() {
    for mode in ["always", "transactions"] {
        let service = seeded(&[("PG_TRACE_CONTEXT", mode)]).await;
        let reply = service.home_with("pool-of-one").await;
        assert_eq!(reply.uuids().len(), 5);
        let trace = of_trace(&reply.trace_id, |spans| spans.iter().any(|span| span.parent.is_empty())).await;
        let wait = the(&trace, "the wait", |span| span.name == "acquire connection");
        assert_eq!(wait.attributes[POOL], "1");
        let statement = the(&trace, "the statement", |span| span.name == "SELECT posts");
        assert!(wait.took > Duration::from_millis(200) && statement.took < wait.took, "{trace:#?}");
        assert_eq!(wait.parent, statement.parent);
    }
}

#[actix_web::test]
async fn a_slow_commit_is_what_its_trigger_does() {
    let service = seeded(&[]).await;
    let reply = service.home_with("slow-commit").await;
    assert_eq!(reply.uuids().len(), 5);
    let sleeps = |span: &Span| span.attributes.get(TEXT).is_some_and(|text| text.contains("pg_sleep"));
    let trace = of_trace(&reply.trace_id, |spans| spans.iter().any(sleeps)).await;
    let commit = the(&trace, "the commit", |span| span.name == "COMMIT");
    let cause = below(&trace, commit).into_iter().find(|span| sleeps(span)).unwrap();
    assert!(cause.took >= Duration::from_millis(300) && commit.took >= cause.took, "{trace:#?}");
}

#[actix_web::test]
async fn stale_statistics_are_an_estimate_that_is_far_off() {
    let service = seeded(&[]).await;
    let reply = service.home_with("stale-statistics").await;
    assert_eq!(reply.uuids().len(), 5);
    let trace = of_trace(&reply.trace_id, |spans| {
        spans.iter().any(|span| span.name.starts_with("Seq Scan on visits"))
    })
    .await;
    let scan = the(&trace, "the scan", |span| span.name.starts_with("Seq Scan on visits"));
    let read = |key: &str| scan.attributes[key].parse::<f64>().unwrap();
    assert_eq!((read("postgresql.plan.rows.estimated"), read("postgresql.plan.rows.actual")), (1.0, 4_900.0));
    assert!(read(MISESTIMATE) > 1_000.0, "{scan:#?}");
    assert!(trace.iter().any(|span| span.name == "Nested Loop"), "chosen for one row: {trace:#?}");
}

#[actix_web::test]
async fn in_production_there_is_no_laboratory() {
    let service = seeded(&[("THROUGHLINE_ENV", "production")]).await;
    for fault in ["deadlock", "no-such-fault"] {
        let reply = service.home_with(fault).await;
        assert_eq!(reply.uuids().len(), 5);
        let trace = trace_of(&reply).await;
        the(&trace, "the one statement", |span| span.attributes.contains_key(TEXT));
    }
}

#[actix_web::test]
async fn a_fault_that_nobody_knows_is_told() {
    let service = Activities::start().await;
    let reply = service.home_with("earthquake").await;
    assert_eq!(reply.problem(), (422, "invalid"));
    assert!(reply.body["detail"].as_str().unwrap().contains("lock-wait, deadlock"), "{reply:?}");
}
