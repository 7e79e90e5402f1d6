//! One saved query over the console's spans, as a table or as the console's JSON.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use clap::Args;
use env::Env;
use serde_json::{Value, json};

use super::Folder;
use crate::remote::Remote;

#[derive(Args)]
pub(super) struct Options {
    /// As `throughline queries list` names it
    name: String,
    /// Where the console is (CONSOLE_URL) [default: http://127.0.0.1:4380]
    #[arg(long, value_name = "URL")]
    console: Option<String>,
    /// Only the spans of this service
    #[arg(long, value_name = "SERVICE")]
    dataset: Option<String>,
    /// Print the console's answer instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    folder: Folder,
}

pub(super) fn list(dir: &Path) -> anyhow::Result<()> {
    let mut text = String::new();
    for query in console::queries::list(dir)? {
        match query {
            Ok(query) => writeln!(text, "{:<40} {}", query.name, query.title)?,
            Err(error) => crate::complain(format_args!("{error}")),
        }
    }
    // A closed pipe is no error worth a word.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(())
}

pub(super) fn run(options: &Options, env: &Env) -> anyhow::Result<()> {
    let saved = console::queries::read(&options.folder.path(env), &options.name)
        .map_err(|error| anyhow::anyhow!("{error}; `throughline queries list` names those that there are"))?;
    let mut body = saved.query;
    if let Some(dataset) = options.dataset.as_ref().or(saved.dataset.as_ref()) {
        body["dataset"] = json!(dataset);
    }
    if !options.json {
        body["disable_series"] = json!(true);
    }
    let answer = Remote::new(options.console.as_deref(), env).post("/api/query", &body)?;
    let text = if options.json { answer } else { table(&serde_json::from_str(&answer)?) };
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
    Ok(())
}

/// Breakdowns, then numbers; a last line says what the table is of. Histograms are for eyes with a screen.
fn table(answer: &Value) -> String {
    let no_rows = Vec::new();
    let rows = answer["rows"].as_array().unwrap_or(&no_rows);
    let query = &answer["query"];
    let breakdowns: Vec<&str> =
        query["breakdowns"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let keys: Vec<&str> = rows
        .first()
        .and_then(|row| row["values"].as_object())
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_array())
        .map(|(key, _)| key.as_str())
        .collect();
    let head: Vec<String> = breakdowns.iter().chain(&keys).map(|name| (*name).to_owned()).collect();
    let cells = rows.iter().map(|row| {
        let groups = breakdowns.iter().map(|name| cell(&row["group"][*name]));
        groups.chain(keys.iter().map(|name| cell(&row["values"][*name]))).collect()
    });
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(cells).collect();
    let mut text = crate::table::table(&lines, |place| place >= breakdowns.len());
    let groups = answer["groups"].as_u64().unwrap_or(0);
    let shown = rows.len() as u64;
    let of = if shown < groups { format!("{shown} of {groups}") } else { shown.to_string() };
    let _ = write!(
        text,
        "\n{of} rows; {} of {} spans match, {} ms",
        answer["matched"], answer["scanned"], answer["elapsed_ms"]
    );
    if answer["behind"].as_u64().unwrap_or(0) > 0 {
        let _ = write!(text, "; {} stored spans are not in it (yet)", answer["behind"]);
    }
    text
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => crate::table::cell(text),
        Value::Number(number) if number.is_f64() => {
            format!("{:.3}", number.as_f64().unwrap_or(f64::NAN))
        }
        other => crate::table::cell(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_as_a_table() {
        let answer = json!({
            "query": {"breakdowns": ["app.user_id"]},
            "rows": [
                {"group": {"app.user_id": "ana"}, "values": {"COUNT": 12, "P95(duration_ms)": 31.5, "HEATMAP(duration_ms)": [1, 2]}},
                {"group": {"app.user_id": null}, "values": {"COUNT": 3, "P95(duration_ms)": null, "HEATMAP(duration_ms)": [0, 1]}}],
            "groups": 5, "matched": 15, "scanned": 40, "elapsed_ms": 1.5, "behind": 0
        });
        let expect = "\
app.user_id  COUNT  P95(duration_ms)
ana             12            31.500
-                3                 -

2 of 5 rows; 15 of 40 spans match, 1.5 ms";
        assert_eq!(table(&answer), expect);
    }
}
