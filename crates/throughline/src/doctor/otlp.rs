//! Receivers of OTLP: the console, a Collector, Honeycomb. One span each.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use env::Secret;
use serde_json::{Value, json};
use sinks::otlp::Destination;

use super::reach::{Answer, Asker, clock, reach};
use super::report::{Examination, Finding, Trouble};

/// What was accepted is there after milliseconds; a slow disk takes longer.
const READ_BACK: Duration = Duration::from_secs(5);
const US: &str = "https://api.honeycomb.io";
const EU: &str = "https://api.eu1.honeycomb.io";

/// The console's API, for reading back.
pub(super) struct Console {
    pub(super) url: String,
    pub(super) token: Option<Secret>,
    /// Where it takes segments.
    pub(super) xray_daemon: Option<String>,
}

/// A trace of our own.
pub(super) struct Probe {
    pub(super) trace_id: String,
    span_id: String,
}

impl Probe {
    pub(super) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // X-Ray wants the time in front.
        let trace_id = format!("{:08x}{:024x}", now.as_secs(), rand::random::<u128>() >> 32);
        Self { trace_id, span_id: format!("{:016x}", rand::random::<u64>() | 1) }
    }

    pub(super) fn as_otlp(&self) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        json!({ "resourceSpans": [{
            "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "throughline-doctor" } }] },
            "scopeSpans": [{ "scope": { "name": "throughline" }, "spans": [{
                "traceId": self.trace_id, "spanId": self.span_id, "name": "throughline doctor", "kind": 1,
                "startTimeUnixNano": (now - 1_000_000).to_string(), "endTimeUnixNano": now.to_string(),
            }] }],
        }] })
    }

    /// A segment document as an X-Ray daemon takes it, header included.
    pub(super) fn as_datagram(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let (epoch, random) = self.trace_id.split_at(8);
        let document = json!({
            "name": "throughline-doctor", "id": self.span_id, "trace_id": format!("1-{epoch}-{random}"),
            "start_time": now - 0.001, "end_time": now,
        });
        format!("{{\"format\": \"json\", \"version\": 1}}\n{document}")
    }
}

impl Console {
    /// Asks until the trace is there.
    pub(super) fn reads_back(&self, asker: &Asker, trace_id: &str) -> Result<String, Trouble> {
        self.eventually(asker, &format!("/api/traces/{trace_id}"), |answer| answer.status == 200)
            .map(|()| format!("trace {trace_id}"))
    }

    pub(super) fn eventually(
        &self,
        asker: &Asker,
        path: &str,
        found: impl Fn(&Answer) -> bool,
    ) -> Result<(), Trouble> {
        let url = format!("{}{path}", self.url);
        let end = Instant::now() + READ_BACK;
        loop {
            let answer = asker.get(&url, &self.headers())?;
            if answer.status == 401 {
                return Err(Trouble::new(
                    "the console asks for its token",
                    "set CONSOLE_TOKEN to what the console was started with",
                ));
            }
            if found(&answer) {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(Trouble::new(
                    format!("it was accepted, and {url} does not have it after {} s", READ_BACK.as_secs()),
                    "another console may have taken it: compare the addresses with `curl CONSOLE_URL/api/stats`",
                ));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn headers(&self) -> Vec<(String, Secret)> {
        let bearer = |token: &Secret| Secret::from(format!("Bearer {}", token.expose()));
        self.token.iter().map(|token| ("authorization".to_owned(), bearer(token))).collect()
    }
}

pub(super) fn examine(
    asker: &Asker,
    destination: &Destination,
    console: Option<&Console>,
    wanted_environment: Option<&str>,
) -> Vec<Finding> {
    let mut examination = Examination::of(destination.name.as_str());
    let _ended = look(&mut examination, asker, destination, console, wanted_environment);
    examination.findings
}

fn look(
    examination: &mut Examination,
    asker: &Asker,
    destination: &Destination,
    console: Option<&Console>,
    wanted_environment: Option<&str>,
) -> Option<()> {
    reach(examination, &destination.url)?;
    let is_honeycomb =
        destination.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-honeycomb-team"));
    if is_honeycomb {
        let base = destination.url.trim_end_matches("/v1/traces");
        examination.note("key", honeycomb_key(asker, base, destination, wanted_environment, &[US, EU]))?;
    }
    let probe = Probe::new();
    let answer = asker.post(&destination.url, &destination.headers, &probe.as_otlp().to_string());
    let time = answer.as_ref().ok().and_then(clock);
    examination.note("span", answer.and_then(|answer| accepted(&answer)))?;
    if let Some(time) = time {
        examination.note("clock", time)?;
    }
    match console.filter(|_| destination.name == "console") {
        Some(console) => examination.note("read back", console.reads_back(asker, &probe.trace_id)),
        None if is_honeycomb => {
            examination.skip(
                "read back",
                &format!("an ingest key reads nothing: look for trace {}", probe.trace_id),
            );
            Some(())
        }
        None => {
            examination.skip("read back", "OTLP has no way to read");
            Some(())
        }
    }
}

/// What OTLP's answer means (OTLP 1.11, "Failures" and "Partial success").
fn accepted(answer: &Answer) -> Result<String, Trouble> {
    if answer.is_success() {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let rejected = &body["partialSuccess"]["rejectedSpans"];
        let rejected = rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok()).unwrap_or(0);
        return match rejected {
            0 => Ok(format!("{} accepted", answer.status)),
            _ => Err(Trouble::new(
                format!(
                    "{} but the span was rejected: {}",
                    answer.status, body["partialSuccess"]["errorMessage"]
                ),
                "the receiver's log says more; most often a limit or a time that is too far off",
            )),
        };
    }
    let told = answer.told();
    Err(match answer.status {
        403 if told.contains("ALLOWED_HOSTS") => {
            Trouble::new(told, "add this host name to the receiver's ALLOWED_HOSTS, or use 127.0.0.1")
        }
        401 | 403 => Trouble::new(told, "the receiver wants another key: look at OTEL_EXPORTER_OTLP_HEADERS"),
        404 | 405 => Trouble::new(
            told,
            "no OTLP there: the address should be the receiver's base (http://host:4318), without a path",
        ),
        413 => Trouble::new(told, "raise the receiver's limit of a request's size"),
        415 => {
            Trouble::new(told, "the receiver does not take JSON or protobuf over HTTP: is it the gRPC port?")
        }
        429 => {
            Trouble::new(told, "the receiver is throttling: raise its limit, or sample (OTEL_TRACES_SAMPLER)")
        }
        300..=399 => Trouble::new(
            told,
            "the address redirects, and a key is not sent after a redirect: write where it leads",
        ),
        500.. => Trouble::new(
            told,
            "the receiver has a problem of its own: look at its log, or at the exporter behind a Collector",
        ),
        _ => Trouble::new(told, "look at the receiver's log"),
    })
}

/// `GET /1/auth` tells what a key may do, and where.
pub(super) fn honeycomb_key(
    asker: &Asker,
    base: &str,
    destination: &Destination,
    wanted_environment: Option<&str>,
    regions: &[&str],
) -> Result<String, Trouble> {
    let answer = asker.get(&format!("{base}/1/auth"), &destination.headers)?;
    if answer.status == 401 {
        for region in regions.iter().filter(|region| **region != base) {
            let there = asker.get(&format!("{region}/1/auth"), &destination.headers);
            if there.is_ok_and(|it| it.is_success()) {
                return Err(Trouble::new(
                    format!("{base} does not know the key, {region} does"),
                    format!("the key is of another region: HONEYCOMB_API_ENDPOINT={region}"),
                ));
            }
        }
        return Err(Trouble::new(
            format!("no region of Honeycomb knows the key ({})", answer.told()),
            "copy an ingest key from Environment settings, API keys, into HONEYCOMB_API_KEY",
        ));
    }
    if !answer.is_success() {
        return Err(Trouble::new(answer.told(), "try again; if it stays, see status.honeycomb.io"));
    }
    let auth: Value = serde_json::from_str(&answer.body)
        .map_err(|_| Trouble::new("/1/auth answered no JSON", "is HONEYCOMB_API_ENDPOINT Honeycomb's?"))?;
    let slug = |part: &str| auth[part]["slug"].as_str().unwrap_or_default().to_owned();
    let (team, environment) = (slug("team"), slug("environment"));
    let may = |what: &str| auth["api_key_access"][what].as_bool().unwrap_or(false);
    if let Some(wanted) =
        wanted_environment.filter(|wanted| *wanted != environment && !environment.is_empty())
    {
        return Err(Trouble::new(
            format!("the key is of the environment {environment:?}, and HONEYCOMB_UI_URL names {wanted:?}"),
            format!("take a key of {wanted}, or correct HONEYCOMB_UI_URL: links lead where no trace is"),
        ));
    }
    if !may("events") {
        return Err(Trouble::new(
            "the key may not send events",
            "create an ingest key, or tick Send Events on this one",
        ));
    }
    if !may("createDatasets") {
        return Err(Trouble::new(
            "the key may not create datasets: spans of a new service have nowhere to go",
            "tick Can create datasets on the key, or create a dataset for each service.name first",
        ));
    }
    Ok(format!("{team}/{environment}"))
}
