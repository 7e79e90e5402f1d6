//! `throughline mcp`: an assistant asks the console, by the Model Context Protocol over standard input and output, or HTTP.
//!
//! Reads only. Every answer is bounded, says what it left out, and carries the address of the page that shows all of it.

mod answer;
mod over_http;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::Args;
use console::wire::{Errors, Logs, Traces};
use env::Env;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ServerHandler, ServiceExt, schemars, tool, tool_handler, tool_router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use service::server::Listen;

use self::answer::{Page, bounded, outline};
use crate::lists::{Choices, message, time};
use crate::remote::{Remote, bare_id};
use crate::table::cut;

/// Of a list, where nothing else is asked for, and at most.
const LISTED: u16 = 20;
const MAX_LISTED: u16 = 100;
/// Groups of a query's answer.
const MAX_GROUPS: usize = 50;
/// Columns that differ, and values of each.
const MAX_DIFFERENT: usize = 10;
const MAX_VALUES: usize = 5;
/// Letters of a log line or of an error's message.
const MAX_MESSAGE: usize = 500;
/// Frames of a stack, the innermost.
const MAX_FRAMES: usize = 15;

#[derive(Args)]
pub(crate) struct Options {
    /// Where the console is (CONSOLE_URL) [default: http://127.0.0.1:4380]
    #[arg(long, value_name = "URL")]
    console: Option<String>,
    /// Answer over HTTP instead, at /mcp; elsewhere than on the loopback CONSOLE_TOKEN is asked for
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = over_http::DEFAULT)]
    http: Option<Listen>,
}

pub(crate) fn run(options: &Options, env: &Env) -> ExitCode {
    let assistant = Assistant { console: Remote::new(options.console.as_deref(), env) };
    let outcome = match &options.http {
        Some(listen) => actix_web::rt::System::new().block_on(over_http::serve(assistant, listen, env)),
        None => over_stdio(assistant),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::complain(format_args!("throughline mcp: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn over_stdio(assistant: Assistant) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(assistant));
    // A read of standard input cannot be cancelled.
    runtime.shutdown_background();
    outcome
}

/// Until the other side closes standard input.
async fn serve(assistant: Assistant) -> anyhow::Result<()> {
    let file = |it: std::os::fd::BorrowedFd<'_>| io::Result::Ok(File::from(it.try_clone_to_owned()?));
    let (input, output) = (file(io::stdin().as_fd())?, file(io::stdout().as_fd())?);
    let (input, output) = (tokio::fs::File::from_std(input), tokio::fs::File::from_std(output));
    assistant.serve((input, output)).await?.waiting().await?;
    Ok(())
}

#[derive(Clone)]
struct Assistant {
    console: Remote,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct ColumnsAsked {
    /// Only columns of this service's spans
    service: Option<String>,
    /// Also the most frequent values of this column
    values_of: Option<String>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct QueryAsked {
    /// Honeycomb's query specification: calculations ([{"op":"P95","column":"duration_ms"}], {"op":"COUNT"}), filters
    /// ([{"column":"http.route","op":"=","value":"/"}]), filter_combination, breakdowns (names of columns), orders, havings, limit,
    /// and time_range in seconds (7200 by default) or start_time and end_time in unix seconds
    query: Map<String, Value>,
    /// Only spans of this service
    service: Option<String>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct DiffersAsked {
    /// As in `query`; its filters and its time say which spans are looked at
    query: Map<String, Value>,
    service: Option<String>,
    /// A numeric column, duration_ms by default
    column: Option<String>,
    /// The spans of interest have at least this value in it
    min: Option<f64>,
    /// And at most this one
    max: Option<f64>,
    /// They begin between these, in unix seconds; by default anywhere in the query's time
    start: Option<f64>,
    end: Option<f64>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct TracesAsked {
    /// Only traces in which this service took part
    service: Option<String>,
    /// Only traces that took so long
    min_duration_ms: Option<f64>,
    /// Only traces with a failed span (true) or without one (false)
    error: Option<bool>,
    /// 1 to 100, 20 by default
    limit: Option<u16>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct TraceAsked {
    /// 32 hexadecimal digits, X-Ray's 1-8-24, or a traceparent
    trace_id: String,
    /// The span to show whole, instead of the outline of all
    span_id: Option<String>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct ErrorsAsked {
    /// active (the default), resolved or all
    status: Option<String>,
    service: Option<String>,
    /// Only errors that occurred in this trace
    trace_id: Option<String>,
    /// Only this one, with its newest occurrence: causes and stack
    id: Option<String>,
    /// 1 to 100, 20 by default
    limit: Option<u16>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct LogsAsked {
    /// Only what was logged in this trace
    trace_id: Option<String>,
    /// Words, "a phrase", -without, or a filter pattern of CloudWatch
    text: Option<String>,
    service: Option<String>,
    /// trace, debug, info, warn, error or fatal; several with commas
    level: Option<String>,
    /// 1 to 100, 20 by default
    limit: Option<u16>,
}

/// What a tool answers: text, or why there is none.
type Told = Result<String, String>;

#[tool_router]
impl Assistant {
    #[tool(
        description = "The services that sent spans, and of the last two hours their requests, errors and times, and who calls whom",
        annotations(read_only_hint = true)
    )]
    async fn list_services(&self) -> Told {
        self.ask(|console| {
            let datasets: Value = console.read("/api/datasets")?;
            let map: Value = console.read("/api/service-map")?;
            Ok(Page::new(console, "/map")
                .with("services", &datasets["datasets"])
                .with("last_two_hours", &map)
                .text())
        })
        .await
    }

    #[tool(
        description = "The columns that a query may name, with their types; and the most frequent values of one of them",
        annotations(read_only_hint = true)
    )]
    async fn list_columns(&self, Parameters(asked): Parameters<ColumnsAsked>) -> Told {
        self.ask(move |console| {
            let mut choices = Choices::new(LISTED);
            choices.add("dataset", asked.service.as_deref());
            let columns: Value = console.read(&choices.after("/api/columns"))?;
            let plain = columns["columns"].as_array().into_iter().flatten().map(|it| {
                format!(
                    "{} ({})",
                    it["name"].as_str().unwrap_or_default(),
                    it["type"].as_str().unwrap_or_default()
                )
            });
            let mut page = Page::new(console, "/query").with("columns", plain.collect::<Vec<_>>());
            if let Some(column) = &asked.values_of {
                let mut choices = Choices::new(LISTED);
                choices.add("column", Some(column));
                choices.add("dataset", asked.service.as_deref());
                let values: Value = console.read(&choices.after("/api/columns/values"))?;
                page = page.with("values", &values["values"]);
            }
            Ok(page.text())
        })
        .await
    }

    #[tool(
        description = "Runs a query over all spans: counts, sums, percentiles, grouped and filtered. Each row has example traces",
        annotations(read_only_hint = true)
    )]
    async fn query(&self, Parameters(asked): Parameters<QueryAsked>) -> Told {
        self.ask(move |console| {
            let mut body = asked.query.clone();
            body.insert("disable_series".to_owned(), json!(true));
            if let Some(service) = &asked.service {
                body.insert("dataset".to_owned(), json!(service));
            }
            let answer: Value = serde_json::from_str(&console.post("/api/query", &body.into())?)?;
            let rows = answer["rows"].as_array().map_or(&[][..], Vec::as_slice);
            let shown: Vec<_> = rows.iter().take(MAX_GROUPS).map(row).collect();
            let mut page = Page::new(console, &query_page(&asked.query, asked.service.as_deref()))
                .with("rows", &shown)
                .with("totals", row(&answer["totals"])["values"].clone())
                .with("spans_matched", &answer["matched"])
                .with("spans_looked_at", &answer["scanned"]);
            if answer["truncated"] == true || shown.len() < rows.len() {
                page = page
                    .with("left_out", format!("{} of {} groups are shown", shown.len(), answer["groups"]));
            }
            Ok(page.text())
        })
        .await
    }

    #[tool(
        description = "What differs: in which columns and values the slow (or otherwise chosen) spans differ from all others of a query",
        annotations(read_only_hint = true)
    )]
    async fn what_differs(&self, Parameters(asked): Parameters<DiffersAsked>) -> Told {
        self.ask(move |console| {
            let mut query = asked.query.clone();
            // The times of a box are absolute, and so have to be those of its query.
            let ran: Value = serde_json::from_str(&console.post("/api/query", &probe(&query).into())?)?;
            query.remove("time_range");
            query.insert("start_time".to_owned(), ran["start"].clone());
            query.insert("end_time".to_owned(), ran["end"].clone());
            let column = asked.column.clone().unwrap_or_else(|| "duration_ms".to_owned());
            let chosen = json!({
                "column": column,
                "min": asked.min.unwrap_or(f64::MIN), "max": asked.max.unwrap_or(f64::MAX),
                "start": asked.start.map_or(ran["start"].clone(), Value::from),
                "end": asked.end.map_or(ran["end"].clone(), Value::from),
            });
            let body = json!({ "dataset": asked.service, "query": query, "box": chosen });
            let answer: Value = serde_json::from_str(&console.post("/api/query/compare", &body)?)?;
            let columns = answer["columns"].as_array().into_iter().flatten().take(MAX_DIFFERENT).map(|it| {
                let values = it["values"].as_array().into_iter().flatten().take(MAX_VALUES);
                json!({ "column": it["column"], "score": it["score"], "values": values.collect::<Vec<_>>() })
            });
            Ok(Page::new(console, &query_page(&query, asked.service.as_deref()))
                .with("spans_inside", &answer["inside"])
                .with("spans_outside", &answer["outside"])
                .with("columns_that_differ_most", columns.collect::<Vec<_>>())
                .text())
        })
        .await
    }

    #[tool(description = "The newest traces, one line each", annotations(read_only_hint = true))]
    async fn list_traces(&self, Parameters(asked): Parameters<TracesAsked>) -> Told {
        self.ask(move |console| {
            let mut choices = Choices::new(limit(asked.limit));
            choices.add("service", asked.service.as_deref());
            choices.add("min_duration_ms", asked.min_duration_ms.map(|it| it.to_string()).as_deref());
            choices.add("error", asked.error.map(|it| it.to_string()).as_deref());
            let listed: Traces = console.read(&choices.after("/api/traces"))?;
            let lines = listed.traces.iter().map(|it| {
                json!({
                    "trace_id": it.trace_id, "start": time(it.start_unix_nano), "service": it.service, "name": it.name,
                    "duration_ms": it.duration_nano as f64 / 1e6, "spans": it.span_count, "failed_spans": it.error_count,
                })
            });
            Ok(Page::new(console, "/traces").with("traces", lines.collect::<Vec<_>>()).text())
        })
        .await
    }

    #[tool(
        description = "One trace as an outline of its spans, indented by who called whom; or one span of it whole, with attributes and events",
        annotations(read_only_hint = true)
    )]
    async fn get_trace(&self, Parameters(asked): Parameters<TraceAsked>) -> Told {
        self.ask(move |console| {
            let id = bare_id(&asked.trace_id)?;
            let page = Page::new(console, &format!("/trace/{id}"));
            match &asked.span_id {
                Some(span) => {
                    anyhow::ensure!(span.bytes().all(|b| b.is_ascii_hexdigit()), "{span:?} is no span id");
                    let span: Value = console.read(&format!("/api/traces/{id}/spans/{span}"))?;
                    Ok(page.with("span", &span).text())
                }
                None => Ok(bounded(&format!("{}\n{}", page.link(), outline(&console.trace(id)?)))),
            }
        })
        .await
    }

    #[tool(
        description = "Errors by group: how often, how many people, since when; with `id` one of them with its causes and stack",
        annotations(read_only_hint = true)
    )]
    async fn list_errors(&self, Parameters(asked): Parameters<ErrorsAsked>) -> Told {
        self.ask(move |console| {
            if let Some(id) = &asked.id {
                anyhow::ensure!(id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id:?} is no error's id");
                let detail: Value = console.read(&format!("/api/errors/{id}?limit=1"))?;
                return Ok(Page::new(console, &format!("/errors/{id}"))
                    .with("error", &detail["group"])
                    .with("newest_occurrence", occurrence(&detail["occurrences"][0]))
                    .text());
            }
            let mut choices = Choices::new(limit(asked.limit));
            choices.add("status", asked.status.as_deref());
            choices.add("service", asked.service.as_deref());
            choices.add("trace_id", asked.trace_id.as_deref().map(bare_id).transpose()?);
            let listed: Errors = console.read(&choices.after("/api/errors"))?;
            let lines = listed.groups.iter().map(|it| {
                json!({
                    "id": it.id, "title": cut(&it.title, MAX_MESSAGE), "level": it.level, "status": it.status, "service": it.service,
                    "route": it.context, "count": it.count, "people": it.people, "first_seen": time(it.first_seen_unix_nano),
                    "last_seen": time(it.last_seen_unix_nano), "last_trace_id": it.last_trace_id,
                })
            });
            Ok(Page::new(console, "/errors").with("errors", lines.collect::<Vec<_>>()).text())
        })
        .await
    }

    #[tool(
        description = "Log lines, the newest first: of a trace, by words, service and level",
        annotations(read_only_hint = true)
    )]
    async fn logs(&self, Parameters(asked): Parameters<LogsAsked>) -> Told {
        self.ask(move |console| {
            let id = asked.trace_id.as_deref().map(bare_id).transpose()?;
            let mut choices = Choices::new(limit(asked.limit));
            let mut shown = Choices::default();
            for (name, value) in [("q", asked.text.as_deref()), ("level", asked.level.as_deref()), ("trace_id", id)] {
                choices.add(name, value);
                shown.add(name, value);
            }
            choices.add("service", asked.service.as_deref());
            let listed: Logs = console.read(&choices.after("/api/logs"))?;
            let lines = listed.events.iter().map(|it| {
                json!({
                    "time": time(it.time_unix_nano), "level": it.level, "service": it.service, "trace_id": it.trace_id,
                    "message": cut(message(it), MAX_MESSAGE),
                })
            });
            let mut page = Page::new(console, &shown.after("/logs")).with("lines", lines.collect::<Vec<_>>());
            if listed.next.is_some() {
                page = page.with("left_out", "older lines: narrow it down, or raise the limit");
            }
            Ok(page.text())
        })
        .await
    }
}

#[tool_handler(
    name = "throughline",
    instructions = "Traces, errors and logs of the services on this machine, as their console keeps them. Begin with list_services; look for slow or failing groups by query, ask what_differs about them, open one of the example traces with get_trace and read its logs. Show people the links."
)]
impl ServerHandler for Assistant {}

impl Assistant {
    /// On a thread beside: the client waits, and the protocol goes on.
    async fn ask(&self, question: impl FnOnce(&Remote) -> anyhow::Result<String> + Send + 'static) -> Told {
        let console = self.console.clone();
        let asked =
            tokio::task::spawn_blocking(move || question(&console).map_err(|error| format!("{error:#}")));
        asked.await.unwrap_or_else(|_| Err("the question could not be asked".to_owned()))
    }
}

fn limit(asked: Option<u16>) -> u16 {
    asked.unwrap_or(LISTED).clamp(1, MAX_LISTED)
}

fn query_page(query: &Map<String, Value>, service: Option<&str>) -> String {
    let mut choices = Choices::default();
    choices.add("query", Some(&Value::from(query.clone()).to_string()));
    choices.add("dataset", service);
    choices.after("/query")
}

/// The cheapest query of the same time, for its start and end.
fn probe(query: &Map<String, Value>) -> Map<String, Value> {
    let times = ["time_range", "start_time", "end_time"];
    let mut probe: Map<String, Value> =
        times.iter().filter_map(|it| Some(((*it).to_owned(), query.get(*it)?.clone()))).collect();
    probe.insert("disable_series".to_owned(), json!(true));
    probe
}

/// Without histograms, which are for eyes.
fn row(row: &Value) -> Value {
    let numbers = row["values"].as_object().into_iter().flatten().filter(|(_, value)| !value.is_array());
    let values: Map<String, Value> = numbers.map(|(key, value)| (key.clone(), value.clone())).collect();
    json!({ "group": row["group"], "values": values, "example_traces": row["exemplars"] })
}

fn occurrence(it: &Value) -> Value {
    let chain = it["trace_chain"].as_array().into_iter().flatten().map(|error| {
        // Rollbar's order: where it happened is last.
        let frames = error["frames"].as_array().into_iter().flatten().rev().take(MAX_FRAMES).map(|frame| {
            let text = |key: &str| frame[key].as_str().unwrap_or("?").to_owned();
            format!("{} at {}:{}", text("method"), text("file"), frame["line"])
        });
        json!({
            "class": error["class"], "message": cut(error["message"].as_str().unwrap_or_default(), MAX_MESSAGE),
            "frames": frames.collect::<Vec<_>>(),
        })
    });
    json!({
        "time_unix_nano": it["time_unix_nano"], "trace_id": it["trace_id"], "span_id": it["span_id"], "person": it["person"],
        "code_version": it["code_version"], "route": it["context"], "message": it["message"], "causes": chain.collect::<Vec<_>>(),
    })
}
