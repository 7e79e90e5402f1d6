//! The console, asked over its API as anybody may.

use anyhow::Context as _;
use console::wire::Trace;
use env::Env;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::{Answer, Client};

/// Where `up` has it.
pub(crate) const DEFAULT: &str = "http://127.0.0.1:4380";

#[derive(Clone)]
pub(crate) struct Remote {
    client: Client,
    url: String,
}

impl Remote {
    /// What the command line says, else `CONSOLE_URL`, else where `up` has it; opened by `CONSOLE_TOKEN`.
    pub(crate) fn new(url: Option<&str>, env: &Env) -> Self {
        let url = url.or(env.get("CONSOLE_URL")).unwrap_or(DEFAULT).trim_end_matches('/').to_owned();
        Self { client: Client::patient().with_token(env.secret("CONSOLE_TOKEN")), url }
    }

    /// Without a slash at its end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn get(&self, path: &str) -> anyhow::Result<String> {
        self.checked(self.client.get(&format!("{}{path}", self.url)))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> anyhow::Result<String> {
        self.checked(self.client.post(&format!("{}{path}", self.url), body))
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        serde_json::from_str(&self.get(path)?).with_context(|| format!("no console is at {}", self.url))
    }

    /// A trace whose id is spelled in any way.
    pub(crate) fn trace(&self, id: &str) -> anyhow::Result<Trace> {
        self.read(&format!("/api/traces/{}", bare_id(id)?))
    }

    /// Where it takes OTLP over HTTP.
    pub(crate) fn otlp_http(&self) -> anyhow::Result<String> {
        let stats: Value = self.read("/api/stats")?;
        // Null where it only reads ClickHouse.
        let address = stats["otlp_http"]
            .as_str()
            .with_context(|| format!("the console at {} receives nothing", self.url))?;
        // One that listens everywhere does so at its own address too.
        let host =
            self.url.split("://").nth(1).and_then(|it| it.rsplit_once(':')).map_or("127.0.0.1", |it| it.0);
        Ok(format!("http://{}", address.replacen("0.0.0.0:", &format!("{host}:"), 1)))
    }

    fn checked(&self, answer: anyhow::Result<Answer>) -> anyhow::Result<String> {
        let answer = answer.context("the console does not answer; is `throughline up` running?")?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        anyhow::ensure!(
            answer.status != 401,
            "the console at {} asks for its token: set CONSOLE_TOKEN",
            self.url
        );
        // Its own words, where it has some.
        let problem: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        match problem["detail"].as_str().or(problem["title"].as_str()) {
            Some(detail) => anyhow::bail!("the console at {} answers {}: {detail}", self.url, answer.status),
            None => anyhow::bail!("{} answers {}; is a console there?", self.url, answer.status),
        }
    }
}

/// The console takes both spellings of an id; out of a `traceparent` or `traceresponse` the id is taken here.
pub(crate) fn bare_id(text: &str) -> anyhow::Result<&str> {
    let id = match text.split('-').collect::<Vec<_>>()[..] {
        [_, id, _, _] if id.len() == 32 => id,
        _ => text,
    };
    anyhow::ensure!(
        (32..=35).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'),
        "{text:?} is no trace id; for example 6a1f0c3e9b2d4c5f8a7e6d5c4b3a2f1e or 1-6a1f0c3e-9b2d4c5f8a7e6d5c4b3a2f1e"
    );
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_any_spelling() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(bare_id(text).ok(), expect, "{text}");
        check("6a1f0c3e9b2d4c5f8a7e6d5c4b3a2f1e", Some("6a1f0c3e9b2d4c5f8a7e6d5c4b3a2f1e"));
        check("1-6a1f0c3e-9b2d4c5f8a7e6d5c4b3a2f1e", Some("1-6a1f0c3e-9b2d4c5f8a7e6d5c4b3a2f1e"));
        check(
            "00-6a1f0c3e9b2d4c5f8a7e6d5c4b3a2f1e-00f067aa0ba902b7-01",
            Some("6a1f0c3e9b2d4c5f8a7e6d5c4b3a2f1e"),
        );
        check("", None);
        check("../stats", None);
        check("6a1f", None);
    }
}
