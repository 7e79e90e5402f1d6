//! The trust boundary: nobody outside may force full sampling or inject attributes.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use opentelemetry::trace::SpanContext;

use super::Start;
use crate::propagation::Incoming;
use crate::sampling::browser_below;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What the edge believes.
///
/// Our own pages keep their trace id, and what they sampled is decided again by the browser's own rule over the id,
/// so that no half traces arise. A stranger gets a new trace with a link to theirs. Baggage from outside is dropped.
#[derive(Clone, Debug)]
pub struct EdgePolicy {
    /// The ratio with which our pages sample; 1 believes them all.
    pub browser_ratio: f64,
}

impl Default for EdgePolicy {
    fn default() -> Self {
        Self { browser_ratio: 1.0 }
    }
}

impl EdgePolicy {
    pub(super) fn start(&self, request: &ServiceRequest) -> Start {
        let mut incoming = Incoming::read(request.headers());
        incoming.baggage = None;
        let Some(caller) = incoming.caller else { return Start::of(incoming, None, request) };
        if is_same_origin(request.headers()) {
            let verdict =
                caller.sampled.map(|claimed| claimed && browser_below(self.browser_ratio, caller.trace_id));
            return Start::of(incoming, verdict, request);
        }
        let stranger =
            caller.span_id.map(|span_id| caller.as_parent(span_id, caller.sampled == Some(true), None));
        Start {
            link: stranger.filter(SpanContext::is_valid),
            ..Start::of(Incoming::default(), None, request)
        }
    }
}

/// Whether a page of ours sent this. `Sec-Fetch-Site` cannot be set by a page; where it is missing (older browsers),
/// `Origin` or `Referer` has to name the host that was asked.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(&SEC_FETCH_SITE) {
        return site == "same-origin";
    }
    let Some(from) = text(&header::ORIGIN).or_else(|| text(&header::REFERER)) else { return false };
    let authority = from.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    !authority.is_empty() && text(&header::HOST).is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn whose_page_is_it() {
        let check = |headers: &[(&'static str, &'static str)], expect: bool| {
            let request = headers.iter().fold(TestRequest::default(), |r, h| r.insert_header(*h));
            assert_eq!(is_same_origin(request.to_http_request().headers()), expect, "{headers:?}");
        };
        let host = ("host", "localhost:3000");
        check(&[host, ("sec-fetch-site", "same-origin")], true);
        check(&[host, ("sec-fetch-site", "same-site")], false);
        check(&[host, ("sec-fetch-site", "cross-site")], false);
        check(&[host, ("sec-fetch-site", "none")], false);
        check(&[host, ("sec-fetch-site", "cross-site"), ("origin", "http://localhost:3000")], false);
        check(&[host, ("origin", "http://localhost:3000")], true);
        check(&[host, ("origin", "http://LOCALHOST:3000")], true);
        check(&[host, ("origin", "http://localhost:3001")], false);
        check(&[host, ("origin", "http://evil.example")], false);
        check(&[host, ("origin", "null"), ("referer", "http://localhost:3000/")], false);
        check(&[host, ("referer", "http://localhost:3000/@ana?x=1")], true);
        check(&[host, ("referer", "http://evil.example/localhost:3000")], false);
        check(&[host, ("referer", "http://localhost:3000@evil.example/")], false);
        check(&[host], false);
        check(&[("origin", "http://localhost:3000")], false);
        check(&[], false);
    }
}
