//! The `http` block, from stable and from old attribute names.

use core::net::IpAddr;

use super::attributes::Attributes;
use super::short;
use crate::limits::{MAX_STRING_CHARS, cut};
use crate::segment::{Http, HttpRequest, HttpResponse};
use crate::span::{Kind, Span, Value};

/// One of these makes a span one of HTTP; addresses and ports alone do not.
const TELLING: [&str; 17] = [
    "http.request.method",
    "http.response.status_code",
    "url.full",
    "url.path",
    "url.scheme",
    "url.query",
    "user_agent.original",
    "http.method",
    "http.status_code",
    "http.url",
    "http.target",
    "http.scheme",
    "http.host",
    "http.client_ip",
    "http.user_agent",
    "http.server_name",
    "net.host.port",
];

/// What only tells where the parties are; no part of metadata once the block holds it.
const PLACING: [&str; 10] = [
    "client.address",
    "server.address",
    "server.port",
    "network.peer.address",
    "network.peer.port",
    "net.peer.name",
    "net.peer.port",
    "net.peer.ip",
    "net.host.name",
    "host.name",
];

/// Query parameters whose values are secrets, by OpenTelemetry's semantic conventions (`url.query`).
const SECRET_PARAMETERS: [&str; 4] = ["AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"];

/// The block, and the URL where it is longer than the block may hold.
pub(super) fn http(span: &Span, attributes: &mut Attributes) -> Option<(Http, Option<String>)> {
    if !TELLING.iter().any(|key| attributes.has(key)) {
        return None;
    }
    let full = attributes.take_text(&["url.full", "http.url"]).map(str::to_owned);
    let url = full.or_else(|| assemble(span.kind, attributes)).map(|url| without_secrets(&url));

    let (client_ip, x_forwarded_for) = client_ip(attributes);
    let user_agent = ["user_agent.original", "http.user_agent"]
        .into_iter()
        .find_map(|key| attributes.take_short(key, MAX_STRING_CHARS));
    let method = attributes.first_text(&["http.request.method", "http.method"]);
    let method = match method {
        Some("_OTHER") => attributes.text("http.request.method_original").or(method),
        _ => method,
    };
    let request = HttpRequest {
        method: method.and_then(|method| short(method, MAX_STRING_CHARS)),
        url: url.as_deref().and_then(|url| short(url, MAX_STRING_CHARS)),
        user_agent,
        client_ip,
        x_forwarded_for,
        traced: false,
    };
    let status = attributes.int("http.response.status_code").or_else(|| attributes.int("http.status_code"));
    let response = HttpResponse { status, content_length: Some(content_length(span, attributes)) };

    for key in TELLING.iter().chain(&PLACING) {
        // What was too long for its field stays, whole, for metadata; but for the URL, which may hold secrets.
        let is_url = key.starts_with("url.") || matches!(*key, "http.url" | "http.target");
        if is_url || attributes.text(key).is_none_or(is_short) {
            attributes.mark_taken(key);
        }
    }
    Some((Http { request, response: Some(response) }, url.filter(|url| !is_short(url))))
}

fn is_short(text: &str) -> bool {
    cut(text, MAX_STRING_CHARS).len() == text.len()
}

/// The client's address, and whether a proxy told it.
fn client_ip(attributes: &Attributes) -> (Option<String>, bool) {
    let is_ip = |text: &&str| text.parse::<IpAddr>().is_ok();
    let told = attributes.text("http.client_ip").or_else(|| attributes.text("client.address").filter(is_ip));
    let has_peer = attributes.has("net.peer.ip") || attributes.has("network.peer.address");
    let peer =
        attributes.text("net.peer.ip").or_else(|| attributes.text("network.peer.address").filter(is_ip));
    let address = told.or(peer).and_then(|address| short(address, MAX_STRING_CHARS));
    (address, told.is_some() && !has_peer)
}

/// A URL from its parts, if they name a host.
fn assemble(kind: Kind, attributes: &Attributes) -> Option<String> {
    let scheme = attributes.first_text(&["url.scheme", "http.scheme"]).unwrap_or("http");
    let (names, ports): (&[&str], &[&str]) = if kind == Kind::Server {
        (
            &["http.server_name", "net.host.name", "host.name", "server.address"],
            &["net.host.port", "server.port"],
        )
    } else {
        (
            &["net.peer.name", "net.peer.ip", "server.address", "network.peer.address"],
            &["net.peer.port", "server.port", "network.peer.port"],
        )
    };
    let mut url = format!("{scheme}://");
    if let Some(host) = attributes.text("http.host") {
        url.push_str(host);
    } else {
        url.push_str(attributes.first_text(names)?);
        let port = ports.iter().find_map(|key| attributes.int(key));
        let usual = if scheme == "https" { 443 } else { 80 };
        if let Some(port) = port.filter(|port| *port != usual && *port > 0) {
            url.push(':');
            url.push_str(&port.to_string());
        }
    }
    if let Some(target) = attributes.text("http.target") {
        url.push_str(target);
        return Some(url);
    }
    url.push_str(attributes.text("url.path").unwrap_or("/"));
    if let Some(query) = attributes.text("url.query") {
        url.push('?');
        url.push_str(query);
    }
    Some(url)
}

/// The URL without user and password, and without the values of parameters that are known as secrets.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let separator = if url.contains("://") { "://" } else { "" };
    let Some((path, query)) = rest.split_once('?') else {
        return format!("{scheme}{separator}{host}{rest}");
    };
    let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if SECRET_PARAMETERS.contains(&name) => format!("{name}=REDACTED"),
        _ => parameter.to_owned(),
    });
    format!("{scheme}{separator}{host}{path}?{}", parameters.collect::<Vec<_>>().join("&"))
}

/// The payload that a message event tells, else the body's size, else 0: X-Ray's field is always there.
fn content_length(span: &Span, attributes: &mut Attributes) -> i64 {
    const SIZE: &str = "messaging.message_payload_size_bytes";
    if attributes.text("message.type") == Some("RECEIVED")
        && let Some(size) = attributes.int(SIZE).filter(|size| *size != 0)
    {
        return size;
    }
    if let Some(event) = span.events.first()
        && event.get("message.type").and_then(Value::as_text) == Some("RECEIVED")
        && let Some(size) = event.get(SIZE).and_then(Value::as_int)
    {
        return size;
    }
    for key in ["http.response.body.size", "http.response_content_length"] {
        if let Some(size) = attributes.int(key) {
            attributes.mark_taken(key);
            return size;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_leave_their_secrets_at_home() {
        let check = |url, expect: &str| assert_eq!(without_secrets(url), expect);
        check("https://api.example.com/users/junit", "https://api.example.com/users/junit");
        check("https://ann:s3cret@api.example.com/x", "https://api.example.com/x");
        check("https://ann:s3@cret@api.example.com", "https://api.example.com");
        check("https://a/b@c?d=e@f", "https://a/b@c?d=e@f");
        check(
            "https://a/b?x=1&sig=abc&Signature=d%3D&y",
            "https://a/b?x=1&sig=REDACTED&Signature=REDACTED&y",
        );
        check("/only/a/path?sig=1", "/only/a/path?sig=REDACTED");
        check("", "");
    }
}
