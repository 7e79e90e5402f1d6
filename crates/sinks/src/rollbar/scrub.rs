//! What must not leave: secrets by the name of the key, the credentials of URLs, tokens in text.

use serde_json::Value;
use url::form_urlencoded;

use super::Request;

pub(super) const SCRUBBED: &str = "***";
/// A key that holds one of these, read without `_`, `-` and `.`, loses its value. The lists of rollbar.js 3.1.0 and pyrollbar 1.4.
const PARTS: [&str; 15] = [
    "passw",
    "passphrase",
    "secret",
    "token",
    "authoriz",
    "authentic",
    "cookie",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "signature",
    "csrf",
    "xsrf",
    "creditcard",
];
/// The same for whole keys, which are parts of innocent ones.
const WHOLE: [&str; 14] = [
    "pw",
    "pass",
    "pwd",
    "auth",
    "jwt",
    "otp",
    "pin",
    "cvv",
    "cvc",
    "ssn",
    "sig",
    "sessionid",
    "email",
    "phone",
];
/// In a query also the code of an OAuth answer; elsewhere a code is an error's.
const IN_QUERY: &str = "code";
/// Headers that tell about the client or the route; all others may hold secrets, and new ones are invented every year.
const HEADERS: [&str; 14] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "origin",
    "referer",
    "sec-fetch-mode",
    "sec-fetch-site",
    "traceparent",
    "user-agent",
    "x-amzn-trace-id",
];

/// The built-in lists, and what the operator adds.
#[derive(Clone, Debug, Default)]
pub(super) struct Scrubber {
    /// `ROLLBAR_SCRUB_FIELDS`, normalised.
    keys: Vec<String>,
    /// `ROLLBAR_REQUEST_HEADERS`, in lower case.
    headers: Vec<String>,
}

impl Scrubber {
    pub(super) fn new(keys: &[String], headers: &[String]) -> Self {
        Self {
            keys: keys.iter().map(|key| normalised(key)).collect(),
            headers: headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    /// Values below secretive keys, at any depth; and what text gives away by itself.
    pub(super) fn value(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    if self.is_secret(key) {
                        *value = SCRUBBED.into();
                    } else {
                        self.value(value);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::String(text) => *text = self.text(text),
            _ => {}
        }
    }

    /// `postgres://user:password@host` and `Bearer abc` without what matters of them, in the middle of a sentence too.
    #[allow(clippy::unused_self, reason = "one of the scrubber's questions")]
    pub(super) fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for (i, word) in text.split(' ').enumerate() {
            if i > 0 {
                out.push(' ');
            }
            let follows_bearer = out.len() >= 7 && out[..out.len() - 1].ends_with("earer") && i > 0;
            match word.split_once("://") {
                _ if follows_bearer && !word.is_empty() => out.push_str(SCRUBBED),
                Some((scheme, rest)) => out.extend([scheme, "://", &without_credentials(rest)]),
                None => out.push_str(word),
            }
        }
        out
    }

    /// Path and query, without the values of secretive parameters.
    pub(super) fn url(&self, url: &str) -> String {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let path = match path.split_once("://") {
            Some((scheme, rest)) => [scheme, "://", &without_credentials(rest)].concat(),
            None => path.to_owned(),
        };
        if query.is_empty() { path } else { [&path, "?", &self.query(query)].concat() }
    }

    pub(super) fn query(&self, query: &str) -> String {
        let query = query.split('#').next().unwrap_or_default();
        let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if self.is_secret_parameter(name) => [name, "=", SCRUBBED].concat(),
            _ => parameter.to_owned(),
        });
        parameters.collect::<Vec<_>>().join("&")
    }

    /// The headers that may be told.
    pub(super) fn headers<'a>(&self, request: &'a Request) -> impl Iterator<Item = (&'a str, String)> {
        request.headers.iter().filter_map(|(name, value)| {
            let lower = name.to_ascii_lowercase();
            let told = HEADERS.contains(&lower.as_str()) || self.headers.contains(&lower);
            let value = if lower == "referer" { self.url(value) } else { self.text(value) };
            told.then_some((name.as_str(), value))
        })
    }

    pub(super) fn is_secret(&self, key: &str) -> bool {
        let key = normalised(key);
        WHOLE.contains(&key.as_str())
            || PARTS.iter().any(|part| key.contains(part))
            || self.keys.contains(&key)
    }

    fn is_secret_parameter(&self, name: &str) -> bool {
        // A name that is percent-encoded hides from nobody.
        let decoded = form_urlencoded::parse(name.as_bytes()).next();
        let name = decoded.as_ref().map_or(name, |(name, _)| name);
        self.is_secret(name) || name.eq_ignore_ascii_case(IN_QUERY)
    }
}

fn normalised(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}

/// What follows `://`.
fn without_credentials(rest: &str) -> String {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((_, host)) => [SCRUBBED, "@", host, &rest[end..]].concat(),
        None => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_at_any_depth() {
        let mut value = json!({
            "password": "x", "PassWord_Confirm": "x", "api-key": "x", "X-Csrf-Token": ["x"], "Authorization": "Basic x",
            "iban": "x", "code": 42, "author": "Ana", "passenger": "Bo", "spin": 1, "pin": 1,
            "deep": [{"accessKey": {"id": "x"}, "text": "to postgres://ana:pw@db:5432/x failed"}],
        });
        Scrubber::new(&["IBAN".to_owned()], &[]).value(&mut value);
        assert_eq!(
            value,
            json!({
                "password": "***", "PassWord_Confirm": "***", "api-key": "***", "X-Csrf-Token": "***", "Authorization": "***",
                "iban": "***", "code": 42, "author": "Ana", "passenger": "Bo", "spin": 1, "pin": "***",
                "deep": [{"accessKey": "***", "text": "to postgres://***@db:5432/x failed"}],
            })
        );
    }

    #[test]
    fn texts_and_urls() {
        let scrubber = Scrubber::default();
        let check = |text: &str, expect: &str| assert_eq!(scrubber.text(text), expect);
        check("", "");
        check("plain  text", "plain  text");
        check("authorization: Bearer abc.def, refused", "authorization: Bearer *** refused");
        check("https://ana:pw@host/p?x=a@b", "https://***@host/p?x=a@b");
        let check = |url: &str, expect: &str| assert_eq!(scrubber.url(url), expect);
        check("/a?term=rust&Token=1&code=2&pass%77ord=3", "/a?term=rust&Token=***&code=***&pass%77ord=***");
        check("http://a:b@h/x?y=1#token=2", "http://***@h/x?y=1");
        check("/a", "/a");
    }

    #[test]
    fn headers_pass_by_name() {
        let headers = [("User-Agent", "x/1"), ("cookie", "session=1"), ("x-tenant", "t"), ("x-new", "?")];
        let request = Request {
            headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
            ..Request::default()
        };
        let names = |more: &[String]| {
            let scrubber = Scrubber::new(&[], more);
            scrubber.headers(&request).map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["User-Agent"]);
        assert_eq!(names(&["X-Tenant".to_owned()]), ["User-Agent", "x-tenant"]);
    }
}
