//! Requests as a client of the app makes them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Beyond every deadline of the services: whoever runs into it hangs.
const HANGS: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    token: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn anonymous() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(HANGS))
            .http_status_as_error(false)
            .proxy(None)
            .max_idle_connections(64)
            .max_idle_connections_per_host(64)
            .build();
        Self { agent: config.into(), token: None }
    }

    pub(crate) fn with_token(token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..Self::anonymous() }
    }

    #[track_caller]
    pub(crate) fn get(&self, url: &str) -> Reply {
        self.try_get(url, &[]).unwrap_or_else(|e| panic!("GET {url}: {e}"))
    }

    #[track_caller]
    pub(crate) fn get_with(&self, url: &str, headers: &[(&str, &str)]) -> Reply {
        self.try_get(url, headers).unwrap_or_else(|e| panic!("GET {url}: {e}"))
    }

    pub(crate) fn try_get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Reply, ureq::Error> {
        let mut request = self.agent.get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.call().and_then(reply)
    }

    #[track_caller]
    pub(crate) fn post(&self, url: &str, body: &Value) -> Reply {
        self.post_bytes(url, body.to_string().as_bytes(), &[("content-type", "application/json")])
    }

    #[track_caller]
    pub(crate) fn post_bytes(&self, url: &str, body: &[u8], headers: &[(&str, &str)]) -> Reply {
        let mut request = self.agent.post(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.send(body).and_then(reply).unwrap_or_else(|e| panic!("POST {url}: {e}"))
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {} {}", self.status, self.body))
    }

    /// Of the `traceresponse` header.
    #[track_caller]
    pub(crate) fn trace_id(&self) -> String {
        let header = self.header("traceresponse").unwrap_or_else(|| panic!("no traceresponse: {self:?}"));
        header.split('-').nth(1).unwrap().to_owned()
    }

    /// The answer that every error has: problem+json that names the trace.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["trace_id"], self.trace_id(), "{problem}");
        assert!(problem["title"].is_string() && problem["type"].is_string(), "{problem}");
    }
}

/// Writes `bytes` as they are to `url`'s host and port, and gives back what comes until the other side closes, or
/// panics when it keeps the connection beyond every deadline.
#[track_caller]
pub(crate) fn raw(url: &str, bytes: &[u8]) -> String {
    let mut stream = connect(url);
    stream.write_all(bytes).unwrap();
    read_to_end(stream)
}

pub(crate) fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(host(url)).unwrap();
    stream.set_read_timeout(Some(HANGS)).unwrap();
    stream
}

#[track_caller]
pub(crate) fn read_to_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        // A server that does not read the rest resets the connection.
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(e) => panic!("the server hangs: {e}; so far {:?}", String::from_utf8_lossy(&answer)),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// `HOST:PORT` of an address.
pub(crate) fn host(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

fn reply(response: ureq::http::Response<ureq::Body>) -> Result<Reply, ureq::Error> {
    let (parts, mut body) = response.into_parts();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    Ok(Reply { status: parts.status.as_u16(), headers, body: body.read_to_string()? })
}
