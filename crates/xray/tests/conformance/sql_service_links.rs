use serde_json::{Value as Json, json};
use throughline_xray::Options;

use super::default_resource;
use crate::support;

fn check(name: &str, case: Json, expect: &Json) {
    support::check(name, &Options::collector(), case, expect);
}

#[test]
fn sql() {
    let check = |name, attributes: Json, expect: Json| {
        check(name, json!({"kind": "client", "name": "users.findUnique", "attributes": attributes}), &expect);
    };
    check(
        "ClientSpanWithStatementAttribute",
        json!({"db.system": "mysql", "db.name": "customers", "db.statement": "SELECT * FROM user WHERE user_id = ?",
            "db.user": "readonly_user", "db.connection_string": "mysql://db.example.com:3306",
            "net.peer.name": "db.example.com", "net.peer.port": "3306"}),
        json!({
            "/sql": {
                "connection_string": "mysql://db.example.com:3306/customers", "url": "users.findUnique",
                "sanitized_query": "SELECT * FROM user WHERE user_id = ?", "database_type": "mysql",
                "user": "readonly_user",
            },
            "/metadata/default/db.statement": null,
        }),
    );
    check(
        "ClientSpanWithNonSQLDatabase",
        json!({"db.system": "redis", "db.name": "0", "db.statement": "SET key value", "db.user": "readonly_user"}),
        json!({"/sql": null, "/metadata/default/db.statement": "SET key value"}),
    );
    check(
        "ClientSpanWithEmptyConnectionString",
        json!({"db.system": "postgresql", "db.name": "customers", "db.connection_string": ""}),
        json!({"/sql/url": "users.findUnique", "/sql/connection_string": "localhost/customers"}),
    );
    // Ours: stable names, and literals and passwords that stay here.
    check(
        "stable names",
        json!({"db.system.name": "postgresql", "db.namespace": "users", "server.address": "db.internal", "server.port": 5432,
            "db.query.text": "SELECT * FROM users WHERE handle = 'ann' AND age > 30"}),
        json!({
            "/name": "users@db.internal", "/sql/connection_string": "db.internal:5432/users",
            "/sql/sanitized_query": "SELECT * FROM users WHERE handle = ? AND age > ?", "/sql/database_type": "postgresql",
        }),
    );
    check(
        "passwords",
        json!({"db.system": "postgresql", "db.name": "x", "db.connection_string": "postgresql://ann:s3cret@db:5432"}),
        json!({"/sql/connection_string": "postgresql://db:5432/x", "/name": "x@db"}),
    );
}

#[test]
fn service() {
    let check = |name, resource: Json, expect: Json| {
        check(name, json!({"kind": "server", "resource": resource}), &json!({"/service": expect}));
    };
    check("ServiceFromResource", default_resource(), json!({"version": "semver:1.1.4"}));
    let mut versionless = default_resource();
    versionless.as_object_mut().unwrap().remove("service.version");
    check("ServiceFromResourceWithNoServiceVersion", versionless, json!({"version": "v1"}));
    check("ServiceFromNullResource", json!({}), Json::Null);
}

#[test]
fn links() {
    let check = |name, links: Json, expect: Json| {
        check(name, json!({"kind": "server", "links": links}), &json!({"/links": expect}));
    };
    let link = |attributes: Json| json!({"trace_id": support::TRACE, "id": support::PARENT, "attributes": attributes});
    check("SpanLinkSimple", json!([{}]), json!([{"trace_id": support::TRACE, "id": support::PARENT}]));
    check("SpanLinkEmpty", json!([]), Json::Null);
    let (one, two) = (json!({"myKey1": "ABC"}), json!({"myKey2": 1234}));
    check("TwoSpanLinks", json!([one, two]), json!([link(one.clone()), link(two.clone())]));
    let all = json!({
        "myKey1": "ABC", "myKey2": true, "myKey3": 112_233, "myKey4": 9.81, "myKey5": ["apple", "pear"],
        "myKey6": [true, false], "myKey7": [1234, 5678], "myKey8": [0.5, 1.618],
    });
    check("SpanLinkComplexAttributes", json!([all]), json!([link(all.clone())]));
}
