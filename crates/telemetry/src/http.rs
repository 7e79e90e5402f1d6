//! HTTP in the words of OpenTelemetry's conventions.

use std::borrow::Cow;

use actix_web::http::{Method, StatusCode, Version};

/// The method as a span's name begins with it, and the original of one that the conventions do not know.
pub(crate) fn method(method: &Method) -> (&'static str, Option<String>) {
    const KNOWN: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE"];
    match KNOWN.iter().find(|known| **known == method.as_str()) {
        Some(known) => (known, None),
        None => ("HTTP", Some(method.as_str().to_owned())),
    }
}

pub(crate) fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

pub(crate) fn status_text(status: StatusCode) -> Cow<'static, str> {
    Cow::Owned(status.as_str().to_owned())
}

/// `[::1]:80`, `localhost:3000`, `example.com`.
pub(crate) fn host_and_port(host: &str) -> (Option<&str>, Option<u16>) {
    match host.rsplit_once(':') {
        Some((address, port)) if !port.ends_with(']') => (Some(address), port.parse().ok()),
        _ => (Some(host), None),
    }
}
