//! HTTP in the words of OpenTelemetry's conventions.

use std::borrow::Cow;
use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::http::{Method, StatusCode, Version};

/// The method as a span's name begins with it, and the original of one that the conventions do not know.
pub(crate) fn method(method: &Method) -> (&'static str, Option<String>) {
    let known = match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        other => return ("HTTP", Some(other.to_owned())),
    };
    (known, None)
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

/// The header's text. `HeaderValue::to_str` looks at one byte after the other, this at eight (600 instructions for a
/// browser's `User-Agent`).
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get(name)?.as_bytes();
    std::str::from_utf8(value).ok().filter(|text| text.is_ascii())
}

/// The peer's address. Formatting an `IpAddr` costs 1,300 instructions, most of them for padding that nobody asked for.
pub(crate) fn address(ip: IpAddr) -> String {
    let IpAddr::V4(v4) = ip else { return ip.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for (i, octet) in v4.octets().into_iter().enumerate() {
        if i > 0 {
            text.push('.');
        }
        text.push_str(itoa::Buffer::new().format(octet));
    }
    text
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_the_standard_library_writes_them() {
        for ip in
            ["127.0.0.1", "0.0.0.0", "255.255.255.255", "10.20.3.40", "::1", "2001:db8::7", "::ffff:1.2.3.4"]
        {
            assert_eq!(address(ip.parse().unwrap()), ip);
        }
    }

    #[test]
    fn only_ascii_is_told_of_a_header() {
        let check = |value: &[u8], expect: Option<&str>| {
            let value = actix_web::http::header::HeaderValue::from_bytes(value).unwrap();
            let headers = HeaderMap::from_iter([(actix_web::http::header::HOST, value)]);
            assert_eq!(text(&headers, &actix_web::http::header::HOST), expect);
        };
        check(b"localhost:3000", Some("localhost:3000"));
        check(b"a\tb", Some("a\tb"));
        check("é".as_bytes(), None);
        check(b"\xff", None);
    }
}
