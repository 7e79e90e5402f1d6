//! Whether a request comes from one of our own pages.

use actix_web::http::header::{HOST, HeaderMap, ORIGIN, REFERER};

/// True when the browser says so (`Sec-Fetch-Site`, which a page cannot set), else when `Origin` or `Referer` names the
/// host that was asked. A request without any of the three comes from no page of ours.
///
/// Behind the frontend-proxy the asked host is in `X-Forwarded-Host`; a foreign page cannot set that header without a
/// preflight, which nobody answers.
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = text(headers, "sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text(headers, ORIGIN.as_str()).or_else(|| text(headers, REFERER.as_str())) else {
        return false;
    };
    let asked = text(headers, "x-forwarded-host").or_else(|| text(headers, HOST.as_str()));
    asked.is_some_and(|asked| authority(origin).is_some_and(|from| from.eq_ignore_ascii_case(asked)))
}

/// `localhost:3000` of `http://localhost:3000/some/path`.
fn authority(origin: &str) -> Option<&str> {
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))?;
    Some(rest.split(['/', '?', '#']).next().unwrap_or(rest))
}

/// The one value of a header; two of a kind are a trick.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn check(headers: &[(&str, &str)], expect: bool) {
        let map = headers
            .iter()
            .map(|(name, value)| {
                (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
            })
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
        assert_eq!(is_same_origin(&map), expect, "{headers:?}");
    }

    #[test]
    fn own_pages_and_strangers() {
        let host = ("host", "localhost:3000");
        check(&[host], false);
        check(&[host, ("sec-fetch-site", "same-origin")], true);
        check(&[host, ("sec-fetch-site", "same-site")], false);
        check(&[host, ("sec-fetch-site", "none")], false);
        check(&[host, ("sec-fetch-site", "cross-site"), ("origin", "http://localhost:3000")], false);
        check(&[host, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], false);
        check(&[host, ("origin", "http://localhost:3000")], true);
        check(&[host, ("origin", "http://LOCALHOST:3000")], true);
        check(&[host, ("origin", "http://localhost:3001")], false);
        check(&[host, ("origin", "http://localhost:3000.evil.example")], false);
        check(&[host, ("origin", "http://evil.example/localhost:3000")], false);
        check(&[host, ("origin", "null")], false);
        check(&[host, ("origin", "http://localhost:3000"), ("origin", "http://evil.example")], false);
        check(&[host, ("referer", "http://localhost:3000/home?x=1")], true);
        check(&[host, ("referer", "http://evil.example/?http://localhost:3000")], false);
        check(
            &[
                ("host", "gateway:4567"),
                ("x-forwarded-host", "app.example"),
                ("origin", "https://app.example"),
            ],
            true,
        );
        check(&[("origin", "http://localhost:3000")], false);
    }
}
