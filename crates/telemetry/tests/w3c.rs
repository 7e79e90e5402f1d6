//! The 41 cases of W3C's validation service (trace-context level 2, strictness 2) as data, sent as raw bytes to the
//! example service and read back from what it sends on.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::fixture::{Server, ids, raw};
use crate::forward;

const TRACE_ID: &str = "12345678901234567890123456789012";
const PARENT_ID: &str = "1234567890123456";

/// A case: its name in the suite, and requests of header lines with what has to arrive. In lines `ID` stands for a
/// good trace id, `IDS` for a good trace id and parent id.
/// Expected is `same` or `new` (the trace id), then the `tracestate` that arrives, if any.
type Case = (&'static str, Vec<(Vec<String>, String)>);

fn case(name: &'static str, requests: &[(&[&str], &str)]) -> Case {
    let owned = |(lines, expect): &(&[&str], &str)| {
        (lines.iter().map(|line| (*line).to_owned()).collect(), (*expect).to_owned())
    };
    (name, requests.iter().map(owned).collect())
}

/// A request that carries a good `traceparent` and these lines.
fn state(lines: &[&str], expect: &str) -> (Vec<String>, String) {
    let lines = ["traceparent: 00-IDS-00"].iter().chain(lines).map(|line| (*line).to_owned()).collect();
    (lines, expect.to_owned())
}

fn traceparents() -> Vec<Case> {
    vec![
        case("both_traceparent_and_tracestate_missing", &[(&[], "new")]),
        case("traceparent_included_tracestate_missing", &[(&["traceparent: 00-IDS-01"], "same")]),
        case(
            "traceparent_duplicated",
            &[(
                &[
                    "traceparent: 00-12345678901234567890123456789011-1234567890123456-01",
                    "traceparent: 00-IDS-01",
                ],
                "new",
            )],
        ),
        case(
            "traceparent_header_name",
            &[(&["trace-parent: 00-IDS-01"], "new"), (&["trace.parent: 00-IDS-01"], "new")],
        ),
        case(
            "traceparent_header_name_valid_casing",
            &[
                (&["TraceParent: 00-IDS-01"], "same"),
                (&["TrAcEpArEnT: 00-IDS-01"], "same"),
                (&["TRACEPARENT: 00-IDS-01"], "same"),
            ],
        ),
        case(
            "traceparent_version_0x00",
            &[
                (&["traceparent: 00-IDS-01."], "new"),
                (&["traceparent: 00-IDS-01-what-the-future-will-be-like"], "new"),
            ],
        ),
        case(
            "traceparent_version_0xcc",
            &[
                (&["traceparent: cc-IDS-01"], "same"),
                (&["traceparent: cc-IDS-01-what-the-future-will-be-like"], "same"),
                (&["traceparent: cc-IDS-01.what-the-future-will-be-like"], "new"),
            ],
        ),
        case("traceparent_version_0xff", &[(&["traceparent: ff-IDS-01"], "new")]),
        case(
            "traceparent_version_illegal_characters",
            &[(&["traceparent: .0-IDS-01"], "new"), (&["traceparent: 0.-IDS-01"], "new")],
        ),
        case(
            "traceparent_version_too_long",
            &[(&["traceparent: 000-IDS-01"], "new"), (&["traceparent: 0000-IDS-01"], "new")],
        ),
        case("traceparent_version_too_short", &[(&["traceparent: 0-IDS-01"], "new")]),
        case(
            "traceparent_trace_id_all_zero",
            &[(&["traceparent: 00-00000000000000000000000000000000-1234567890123456-01"], "new")],
        ),
        case(
            "traceparent_trace_id_illegal_characters",
            &[
                (&["traceparent: 00-.2345678901234567890123456789012-1234567890123456-01"], "new"),
                (&["traceparent: 00-1234567890123456789012345678901.-1234567890123456-01"], "new"),
            ],
        ),
        case(
            "traceparent_trace_id_too_long",
            &[(&["traceparent: 00-123456789012345678901234567890123-1234567890123456-01"], "new")],
        ),
        case(
            "traceparent_trace_id_too_short",
            &[(&["traceparent: 00-1234567890123456789012345678901-1234567890123456-01"], "new")],
        ),
        case("traceparent_parent_id_all_zero", &[(&["traceparent: 00-ID-0000000000000000-01"], "new")]),
        case(
            "traceparent_parent_id_illegal_characters",
            &[
                (&["traceparent: 00-ID-.234567890123456-01"], "new"),
                (&["traceparent: 00-ID-123456789012345.-01"], "new"),
            ],
        ),
        case("traceparent_parent_id_too_long", &[(&["traceparent: 00-ID-12345678901234567-01"], "new")]),
        case("traceparent_parent_id_too_short", &[(&["traceparent: 00-ID-123456789012345-01"], "new")]),
        case(
            "traceparent_trace_flags_illegal_characters",
            &[(&["traceparent: 00-IDS-.0"], "new"), (&["traceparent: 00-IDS-0."], "new")],
        ),
        case("traceparent_trace_flags_too_long", &[(&["traceparent: 00-IDS-001"], "new")]),
        case("traceparent_trace_flags_too_short", &[(&["traceparent: 00-IDS-1"], "new")]),
        case(
            "traceparent_ows_handling",
            &[
                (&["traceparent:  00-IDS-01"], "same"),
                (&["traceparent: \t00-IDS-01"], "same"),
                (&["traceparent: 00-IDS-01 "], "same"),
                (&["traceparent: 00-IDS-01\t"], "same"),
                (&["traceparent: \t 00-IDS-01 \t"], "same"),
            ],
        ),
    ]
}

fn tracestates() -> Vec<Case> {
    let key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let value: String = (0x20..=0x7e_u8).filter(|b| !b",=".contains(b)).map(char::from).collect();
    let value = value.trim_end();
    let members = |range: std::ops::RangeInclusive<usize>| {
        range.map(|i| format!("bar{i:02}={i:02}")).collect::<Vec<_>>().join(",")
    };
    let line = |members: String| format!("tracestate: {members}");
    let limit = |last: usize| {
        let lines = [members(1..=10), members(11..=20), members(21..=30), members(31..=last)].map(line);
        let expect = if last > 32 { "same".to_owned() } else { format!("same {}", members(1..=last)) };
        state(&lines.each_ref().map(String::as_str), &expect)
    };
    let length = |key: String, good: bool| {
        let expect = if good { format!("same foo=1,{key}=1") } else { "same".to_owned() };
        state(&["tracestate: foo=1", &line(format!("{key}=1"))], &expect)
    };
    vec![
        case(
            "tracestate_included_traceparent_missing",
            &[(&["tracestate: foo=1"], "new"), (&["tracestate: foo=1,bar=2"], "new")],
        ),
        (
            "tracestate_included_traceparent_included",
            vec![state(&["tracestate: foo=1,bar=2"], "same foo=1,bar=2")],
        ),
        (
            "tracestate_header_name",
            vec![state(&["trace-state: foo=1"], "same"), state(&["trace.state: foo=1"], "same")],
        ),
        (
            "tracestate_header_name_valid_casing",
            vec![
                state(&["TraceState: foo=1"], "same foo=1"),
                state(&["TrAcEsTaTe: foo=1"], "same foo=1"),
                state(&["TRACESTATE: foo=1"], "same foo=1"),
            ],
        ),
        (
            "tracestate_empty_header",
            vec![
                state(&["tracestate: "], "same"),
                state(&["tracestate: foo=1", "tracestate: "], "same foo=1"),
                state(&["tracestate: ", "tracestate: foo=1"], "same foo=1"),
            ],
        ),
        (
            "tracestate_multiple_headers_different_keys",
            vec![state(
                &["tracestate: foo=1,bar=2", "tracestate: rojo=1,congo=2", "tracestate: baz=3"],
                "same foo=1,bar=2,rojo=1,congo=2,baz=3",
            )],
        ),
        (
            "tracestate_duplicated_keys",
            vec![
                state(&["tracestate: foo=1,foo=1"], "same foo=1,foo=1"),
                state(&["tracestate: foo=1,foo=2"], "same foo=1,foo=2"),
                state(&["tracestate: foo=1", "tracestate: foo=1"], "same foo=1,foo=1"),
                state(&["tracestate: foo=1", "tracestate: foo=2"], "same foo=1,foo=2"),
            ],
        ),
        (
            "tracestate_all_allowed_characters",
            vec![
                state(&[&format!("tracestate: {key}={value}")], &format!("same {key}={value}")),
                state(
                    &[&format!("tracestate: {key}@a-z0-9_-*/={value}")],
                    &format!("same {key}@a-z0-9_-*/={value}"),
                ),
            ],
        ),
        (
            "tracestate_ows_handling",
            vec![
                state(&["tracestate: foo=1 \t , \t bar=2, \t baz=3"], "same foo=1,bar=2,baz=3"),
                state(&["tracestate: foo=1\t \t,\t \tbar=2,\t \tbaz=3"], "same foo=1,bar=2,baz=3"),
                state(&["tracestate:  foo=1"], "same foo=1"),
                state(&["tracestate: \tfoo=1"], "same foo=1"),
                state(&["tracestate: foo=1 "], "same foo=1"),
                state(&["tracestate: foo=1\t"], "same foo=1"),
                state(&["tracestate: \t foo=1 \t"], "same foo=1"),
            ],
        ),
        (
            "tracestate_key_illegal_characters",
            vec![
                state(&["tracestate: foo =1"], "same"),
                state(&["tracestate: FOO=1"], "same"),
                state(&["tracestate: foo.bar=1"], "same"),
            ],
        ),
        (
            "tracestate_key_illegal_vendor_format",
            vec![
                state(&["tracestate: foo@=1,bar=2"], "same foo@=1,bar=2"),
                state(&["tracestate: @foo=1,bar=2"], "same"),
                state(&["tracestate: foo@@bar=1,bar=2"], "same foo@@bar=1,bar=2"),
                state(&["tracestate: foo@bar@baz=1,bar=2"], "same foo@bar@baz=1,bar=2"),
            ],
        ),
        ("tracestate_member_count_limit", vec![limit(32), limit(33)]),
        (
            "tracestate_key_length_limit",
            vec![
                length("z".repeat(256), true),
                length("z".repeat(257), false),
                length(format!("{}@{}", "t".repeat(241), "v".repeat(14)), true),
                length(format!("{}@v", "t".repeat(242)), true),
                length(format!("t@{}", "v".repeat(15)), true),
            ],
        ),
        (
            "tracestate_value_illegal_characters",
            vec![state(&["tracestate: foo=bar=baz"], "same"), state(&["tracestate: foo=,bar=3"], "same")],
        ),
    ]
}

/// What a call brought: `traceparent` and the lines of `tracestate`.
type Recorded = Arc<Mutex<HashMap<String, (Vec<String>, Vec<String>)>>>;

struct Suite {
    service: Server,
    neighbour: Server,
    recorded: Recorded,
}

impl Suite {
    fn start() -> Self {
        let recorded = Recorded::default();
        let service = Server::start(|_, config| forward::routes(config));
        let neighbour = {
            let recorded = recorded.clone();
            Server::start(move |_, config| {
                config
                    .app_data(web::Data::new(recorded.clone()))
                    .route("/record/{call}", web::post().to(record));
            })
        };
        Self { service, neighbour, recorded }
    }

    /// Has the service make `calls` calls, and gives the `traceparent` and `tracestate` of each.
    async fn ask(&self, lines: &[String], key: &str, calls: usize) -> Vec<(String, String)> {
        let ids = format!("{TRACE_ID}-{PARENT_ID}");
        let lines: Vec<_> = lines.iter().map(|l| l.replace("IDS", &ids).replace("ID", TRACE_ID)).collect();
        let call =
            |n: usize| json!({"url": self.neighbour.url(&format!("/record/{key}.{n}")), "arguments": []});
        let body = serde_json::Value::from((0..calls).map(call).collect::<Vec<_>>());
        let response = raw(self.service.port, "POST /test", &lines, &body.to_string()).await;
        assert_eq!(response.status, 200, "{lines:?}");
        let recorded = self.recorded.lock().unwrap();
        let of_call = |n: usize| {
            let (traceparents, tracestates) = &recorded[&format!("{key}.{n}")];
            assert_eq!(traceparents.len(), 1, "one traceparent: {lines:?}");
            assert!(tracestates.len() <= 1, "one tracestate at most: {lines:?}");
            (traceparents[0].clone(), tracestates.first().cloned().unwrap_or_default())
        };
        (0..calls).map(of_call).collect()
    }
}

async fn record(
    call: web::Path<String>,
    request: HttpRequest,
    recorded: web::Data<Recorded>,
) -> HttpResponse {
    let all = |name| {
        let values = request.headers().get_all(name).map(|value| value.to_str().unwrap().to_owned());
        values.collect::<Vec<_>>()
    };
    recorded.lock().unwrap().insert(call.into_inner(), (all("traceparent"), all("tracestate")));
    HttpResponse::Ok().finish()
}

#[actix_web::test]
async fn the_validation_suite() {
    let suite = Suite::start();
    let cases: Vec<Case> = traceparents().into_iter().chain(tracestates()).collect();
    for (name, requests) in &cases {
        for (n, (lines, expect)) in requests.iter().enumerate() {
            let (traceparent, tracestate) = suite.ask(lines, &format!("{name}.{n}"), 1).await.remove(0);
            let (trace_id, parent_id, _) = ids(&traceparent);
            let kept = if trace_id.to_string() == TRACE_ID { "same" } else { "new" };
            assert_eq!(format!("{kept} {tracestate}").trim_end(), expect, "{name}: {lines:?}");
            assert_ne!(parent_id.to_string(), PARENT_ID, "{name}: {lines:?}");
        }
    }
    let more = [
        ("multiple_requests_with_valid_traceparent", "00-IDS-01", true),
        ("multiple_requests_without_traceparent", "", false),
        (
            "multiple_requests_with_illegal_traceparent",
            "00-00000000000000000000000000000000-1234567890123456-01",
            false,
        ),
    ];
    for (name, header, same) in more {
        let calls = suite.ask(&[format!("traceparent: {header}")], name, 3).await;
        let parsed: Vec<_> = calls.iter().map(|(traceparent, _)| ids(traceparent)).collect();
        let trace_ids: HashSet<_> = parsed.iter().map(|(trace_id, ..)| trace_id.to_string()).collect();
        let parent_ids: HashSet<_> = parsed.iter().map(|(_, parent_id, _)| *parent_id).collect();
        assert_eq!((trace_ids.len(), parent_ids.len()), (1, 3), "{name}");
        assert_eq!(trace_ids.contains(TRACE_ID), same, "{name}");
    }
    let random = suite.ask(&["traceparent: 00-IDS-02".to_owned()], "propagates_random_flag", 1).await;
    assert_eq!(ids(&random[0].0).2 & 2, 2, "propagates_random_flag");
    assert_eq!(cases.len() + more.len() + 1, 41, "as many as the suite has");
    suite.service.stop().await;
    suite.neighbour.stop().await;
}
