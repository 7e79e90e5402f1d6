//! What a document is called, which in X-Ray is the node it belongs to.

use std::borrow::Cow;

use super::attributes::Attributes;
use crate::limits::MAX_NAME_CHARS;
use crate::span::{Kind, Span};

pub(super) struct Named {
    pub(super) name: String,
    /// `aws`, `remote`, or none for work of the service's own.
    pub(super) namespace: Option<&'static str>,
}

const AWS: &str = "aws";
const REMOTE: &str = "remote";

/// The first source that says something, whichever it is made acceptable.
pub(super) fn name<'s>(span: &Span<'s>, attributes: &Attributes<'s>, resource: &Attributes<'s>) -> Named {
    let aws_api = attributes.text("rpc.system") == Some("aws-api");
    let aws_service = attributes.text("aws.service");
    let peer = attributes.first_text(&["peer.service", "service.peer.name"]);
    let mut namespace = if aws_api { Some(AWS) } else { None };

    let found = local_service(span, attributes)
        .or_else(|| remote_service(span, attributes, aws_api))
        .or(peer)
        .or_else(|| {
            namespace = if aws_service.is_some() { Some(AWS) } else { namespace };
            aws_service
        });
    let name = found.map(Cow::Borrowed).or_else(|| database(span, attributes)).unwrap_or_else(|| {
        let service = (span.kind == Kind::Server).then(|| resource.text("service.name")).flatten();
        let host = service.or_else(|| attributes.first_text(&["rpc.service", "http.host", "net.peer.name"]));
        // Stable conventions; the Collector ends at the span's name, and a node called `GET` helps nobody.
        let calls = matches!(span.kind, Kind::Client | Kind::Producer);
        let address = calls.then(|| attributes.text("server.address")).flatten();
        Cow::Borrowed(host.or(address).unwrap_or(span.name))
    });
    if namespace.is_none() && span.kind == Kind::Client {
        namespace = Some(REMOTE);
    }
    Named { name: sanitize(&name), namespace }
}

fn local_service<'s>(span: &Span, attributes: &Attributes<'s>) -> Option<&'s str> {
    let entry =
        span.kind == Kind::Server || (span.kind == Kind::Internal && super::local_root::is_local_root(span));
    entry.then(|| attributes.text("aws.local.service")).flatten()
}

fn remote_service<'s>(span: &Span, attributes: &Attributes<'s>, aws_api: bool) -> Option<&'s str> {
    let outward = matches!(span.kind, Kind::Client | Kind::Producer | Kind::Consumer);
    let service = outward.then(|| attributes.text("aws.remote.service")).flatten()?;
    Some(if aws_api { trim_aws(service) } else { service })
}

/// `AWS.SDK.DynamoDb` and `AWS::DynamoDB` are the same service.
pub(super) fn trim_aws(service: &str) -> &str {
    service.strip_prefix("AWS.SDK.").or_else(|| service.strip_prefix("AWS::")).unwrap_or(service)
}

/// `customers@db.dev.example.com`, as X-Ray's SDKs name a database.
fn database<'s>(span: &Span, attributes: &Attributes<'s>) -> Option<Cow<'s, str>> {
    let (name, host) = match attributes.text("db.name") {
        Some(name) => (name, attributes.text("db.connection_string").and_then(host_of)),
        // Stable conventions, for the query itself; spans inside it (plan nodes) keep their own names.
        None if span.kind == Kind::Client => {
            (attributes.text("db.namespace")?, attributes.text("server.address"))
        }
        None => return None,
    };
    Some(host.map_or(Cow::Borrowed(name), |host| Cow::Owned(format!("{name}@{host}"))))
}

/// The host of `mysql://user:secret@db.example.com:3306/x`, of which nothing else may leave the process.
fn host_of(connection: &str) -> Option<&str> {
    let connection = connection.strip_prefix("jdbc:").unwrap_or(connection);
    let (_, rest) = connection.split_once("://")?;
    let authority = rest.split(['/', '?', '#', ';']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    (!host.is_empty()).then_some(host)
}

/// A connection string without user and password, whether they stand before the host or among the parameters.
pub(super) fn without_password(connection: &str) -> String {
    let start = connection.find("://").map_or(0, |index| index + 3);
    let (scheme, rest) = connection.split_at(start);
    let end = rest.find(['/', '?', ';']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let mut clean = format!("{scheme}{host}");
    for part in rest.split_inclusive(['?', ';', '&']) {
        let name = part.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        let secret = part.contains('=') && (name.contains("password") || name == "pwd" || name == "user");
        clean.push_str(if secret { "" } else { part });
    }
    clean
}

/// What X-Ray accepts as a name: the characters it allows, at most 200 of them, and `span` if none is left.
pub fn sanitize(name: &str) -> String {
    let name: String = name.chars().filter(|c| is_name_char(*c)).take(MAX_NAME_CHARS).collect();
    // X-Ray's whitespace class admits a name of blanks only, which no list shows.
    if name.trim().is_empty() { "span".to_owned() } else { name }
}

/// `[\p{L}\p{N}\p{Z}_.:/%&#=+\-@]` of the schema.
///
/// `XID_Start` stands for `\p{L}`: it leaves out combining marks and circled letters, which Rust's `is_alphabetic`
/// counts in. Where it differs, and the letters of Unicode 17, which no older reader takes for letters, are named; the
/// planes above the first, where each version of Unicode adds most, are left out altogether.
pub fn is_name_char(c: char) -> bool {
    match c {
        ' ' | '_' | '.' | ':' | '/' | '%' | '&' | '#' | '=' | '+' | '-' | '@' => true,
        c if c.is_ascii() => c.is_ascii_alphanumeric(),
        '\u{2118}'
        | '\u{212e}'
        | '\u{1885}'
        | '\u{1886}'
        | '\u{88f}'
        | '\u{c5c}'
        | '\u{cdc}'
        | '\u{a7ce}'..='\u{a7d4}'
        | '\u{a7f1}'
        | '\u{10000}'.. => false,
        // Two letters that NFKC takes apart.
        '\u{e33}' | '\u{eb3}' => true,
        c => {
            // Rust's whitespace beyond ASCII is `\p{Z}` and one control character.
            let blank = c.is_whitespace() && c != '\u{85}';
            blank || (c.is_alphanumeric() && (unicode_ident::is_xid_start(c) || c.is_numeric()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_without_their_secrets() {
        let check = |text, expect: &str| assert_eq!(host_of(text).unwrap_or("-"), expect, "{text}");
        check("mysql://db.example.com:3306", "db.example.com");
        check("jdbc:mysql://db.dev.example.com:3306", "db.dev.example.com");
        check("postgresql://ann:s3cret@db:5432/users?sslmode=disable", "db");
        check("postgresql://ann:s3@cret@db/users", "db");
        check("postgres://[::1]:5432/x", "::1");
        check("localhost", "-");
        check("://", "-");
        check("", "-");
    }

    #[test]
    fn connection_strings_without_their_secrets() {
        let check = |text, expect: &str| assert_eq!(without_password(text), expect);
        check("mysql://db.example.com:3306", "mysql://db.example.com:3306");
        check(
            "postgresql://ann:s3cret@db:5432/users?sslmode=disable",
            "postgresql://db:5432/users?sslmode=disable",
        );
        check("jdbc:mysql://db/x?user=ann&password=s3cret&a=b", "jdbc:mysql://db/x?a=b");
        check("Server=db;Database=x;Uid=ann;Pwd=s3cret;", "Server=db;Database=x;Uid=ann;");
        check("", "");
    }
}
