//! `throughline export` and `import`: a trace as OTLP's JSON, out of one console and into another, or into anything that
//! takes OTLP.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufReader, Read, stdin};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use env::Env;
use serde_json::Value;

use crate::http::Client;
use crate::remote::{Remote, bare_id};

#[derive(Args)]
pub(crate) struct ExportOptions {
    /// The id: 32 hexadecimal digits, X-Ray's 1-8-24, or a whole traceparent
    id: String,
    /// Where the console is (CONSOLE_URL) [default: http://127.0.0.1:4380]
    #[arg(long, value_name = "URL")]
    console: Option<String>,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ImportOptions {
    /// OTLP's JSON: one request, or one a line as the Collector's file exporter writes them; - is standard input
    file: PathBuf,
    /// Where the console is (CONSOLE_URL) [default: http://127.0.0.1:4380]
    #[arg(long, value_name = "URL")]
    console: Option<String>,
}

pub(crate) fn export(options: &ExportOptions, env: &Env) -> anyhow::Result<String> {
    let console = Remote::new(options.console.as_deref(), env);
    let request = console.get(&format!("/api/traces/{}/otlp", bare_id(&options.id)?))?;
    let Some(out) = &options.out else { return Ok(request) };
    fs::write(out, &request).with_context(|| out.display().to_string())?;
    Ok(format!("{} spans in {}", spans(&serde_json::from_str(&request)?).count(), out.display()))
}

pub(crate) fn import(options: &ImportOptions, env: &Env) -> anyhow::Result<String> {
    let console = Remote::new(options.console.as_deref(), env);
    let receiver = console.otlp_http()?;
    let file = options.file.display().to_string();
    let input: Box<dyn Read> = if file == "-" {
        Box::new(stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(&options.file).context(file.clone())?))
    };
    let (client, mut taken, mut ids) = (Client::patient(), 0, BTreeSet::new());
    for request in serde_json::Deserializer::from_reader(input).into_iter::<Value>() {
        let request = request.with_context(|| format!("{file} is no JSON"))?;
        let count = spans(&request).count() as u64;
        anyhow::ensure!(count > 0, "{file} holds no spans of OTLP (resourceSpans, scopeSpans, spans)");
        let answer = client.post(&format!("{receiver}/v1/traces"), &request)?;
        anyhow::ensure!(answer.status == 200, "{receiver} answers {}: {}", answer.status, answer.body);
        let answer: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        taken += count - refused(&answer).min(count);
        if refused(&answer) > 0 {
            let why = answer["partialSuccess"]["errorMessage"].as_str().unwrap_or_default();
            crate::complain(format_args!("{} spans were refused: {why}", refused(&answer)));
        }
        ids.extend(spans(&request).filter_map(|span| Some(span["traceId"].as_str()?.to_ascii_lowercase())));
    }
    let first = ids.first().context("nothing is in the file")?;
    Ok(format!("{taken} spans of {} traces\n{}/trace/{first}", ids.len(), console.url()))
}

fn spans(request: &Value) -> impl Iterator<Item = &Value> {
    let resources = request["resourceSpans"].as_array().into_iter().flatten();
    let scopes = resources.flat_map(|it| it["scopeSpans"].as_array().into_iter().flatten());
    scopes.flat_map(|it| it["spans"].as_array().into_iter().flatten())
}

/// A 64-bit number is text in OTLP's JSON.
fn refused(answer: &Value) -> u64 {
    let rejected = &answer["partialSuccess"]["rejectedSpans"];
    rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok()).unwrap_or(0)
}
