//! What may be told of a URL.

use std::borrow::Cow;

/// A query parameter whose name holds one of these keeps its name and loses its value. OpenTelemetry's conventions
/// name the signatures of AWS and Google; the rest is what people put into links and regret.
const SECRETIVE: [&str; 15] = [
    "accesskey",
    "api_key",
    "apikey",
    "auth",
    "code",
    "credential",
    "email",
    "jwt",
    "pass",
    "secret",
    "session",
    "sig",
    "token",
    "phone",
    "otp",
];

const REDACTED: &str = "REDACTED";

/// `term=rust&token=abc` becomes `term=rust&token=REDACTED`.
pub(crate) fn query(query: &str) -> Cow<'_, str> {
    if !query.split('&').any(is_secretive) {
        return Cow::Borrowed(query);
    }
    let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if is_secretive(parameter) => format!("{name}={REDACTED}"),
        _ => parameter.to_owned(),
    });
    Cow::Owned(parameters.collect::<Vec<_>>().join("&"))
}

/// The whole URL of a call, without credentials and fragment.
pub(crate) fn url(uri: &actix_web::http::Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let (credentials, host) =
        authority.rsplit_once('@').map_or(("", authority), |(_, h)| ("REDACTED:REDACTED@", h));
    let mut url = [scheme, "://", credentials, host, uri.path()].concat();
    if let Some(text) = uri.query() {
        url.extend(["?", &query(text)]);
    }
    url
}

fn is_secretive(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    // Percent-encoded names are nobody's habit; whoever hides one that way loses its value too.
    name.contains('%') || SECRETIVE.iter().any(|secret| contains_ignoring_case(name, secret))
}

fn contains_ignoring_case(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let check = |input: &str, expect: &str| assert_eq!(query(input), expect);
        check("", "");
        check("term=rust&before=0192", "term=rust&before=0192");
        check("token=abc", "token=REDACTED");
        check("a=1&X-Amz-Signature=abc&b=2", "a=1&X-Amz-Signature=REDACTED&b=2");
        check("AWSAccessKeyId=AKIA&Signature=x", "AWSAccessKeyId=REDACTED&Signature=REDACTED");
        check("X-Goog-Signature=x", "X-Goog-Signature=REDACTED");
        check("password", "password");
        check("password=", "password=REDACTED");
        check("PassWord=a=b&x", "PassWord=REDACTED&x");
        check("tok%65n=abc", "tok%65n=REDACTED");
        check("&&", "&&");
    }

    #[test]
    fn urls() {
        let check = |input: &str, expect: &str| assert_eq!(url(&input.parse().unwrap()), expect);
        check("http://users:4569/users?ids=a,b", "http://users:4569/users?ids=a,b");
        check("https://ana:pw@host/x?token=1", "https://REDACTED:REDACTED@host/x?token=REDACTED");
        check("http://host", "http://host/");
    }
}
