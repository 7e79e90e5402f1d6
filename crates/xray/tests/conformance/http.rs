use serde_json::{Value as Json, json};
use throughline_xray::Options;

use crate::support;

fn check(name: &str, kind: &str, attributes: Json, expect: &Json) {
    let case = json!({"kind": kind, "name": "/users/junit", "attributes": attributes});
    support::check(name, &Options::collector(), case, expect);
}

const URL: &str = "https://api.example.com/users/junit";

/// Cases 1 to 4 and 7 to 10: the URL alone.
#[test]
fn urls() {
    let url_is = |name: &str, kind: &str, attributes: Json, url: &str| {
        check(name, kind, attributes, &json!({"/http/request/url": url, "/http/response/content_length": 0}));
    };
    url_is(
        "ClientSpanWithURLAttribute",
        "client",
        json!({"http.method": "GET", "http.url": URL, "http.status_code": 200}),
        URL,
    );
    url_is(
        "ClientSpanWithURLAttributeStable",
        "client",
        json!({"http.request.method": "GET", "url.full": URL}),
        URL,
    );
    url_is("ServerSpanWithURLAttribute", "server", json!({"http.method": "GET", "http.url": URL}), URL);
    url_is(
        "ServerSpanWithURLAttributeStable",
        "server",
        json!({"http.request.method": "GET", "url.full": URL}),
        URL,
    );
    for (name, kind) in [
        ("ClientSpanWithSchemeHostTargetAttributes", "client"),
        ("ServerSpanWithSchemeHostTargetAttributes", "server"),
    ] {
        let parts = json!({
            "http.method": "GET", "http.scheme": "https", "http.host": "api.example.com", "http.target": "/users/junit",
        });
        url_is(name, kind, parts, URL);
    }
    url_is(
        "ServerSpanWithSchemeHostTargetAttributesStable",
        "server",
        json!({"url.scheme": "https", "server.address": "api.example.com", "url.path": "/users/junit"}),
        URL,
    );
    url_is(
        "ClientSpanWithPeerIp4Attributes",
        "client",
        json!({"http.scheme": "http", "net.peer.ip": "10.8.17.36", "net.peer.port": "8080", "http.target": "/users/junit"}),
        "http://10.8.17.36:8080/users/junit",
    );
    // The address is not bracketed, as in the exporter.
    url_is(
        "ClientSpanWithPeerIp6Attributes",
        "client",
        json!({"http.scheme": "https", "net.peer.ip": "2001:db8:85a3::8a2e:370:7334", "net.peer.port": "443",
            "http.target": "/users/junit"}),
        "https://2001:db8:85a3::8a2e:370:7334/users/junit",
    );
    url_is(
        "ServerSpanWithSchemeServernamePortTargetAttributes",
        "server",
        json!({"http.scheme": "https", "http.server_name": "api.example.com", "net.host.port": 443, "http.target": "/users/junit"}),
        URL,
    );
    url_is(
        "ServerSpanWithSchemeServernamePortTargetAttributesStable",
        "server",
        json!({"url.scheme": "https", "server.address": "api.example.com", "server.port": 443, "url.path": "/users/junit"}),
        URL,
    );
    url_is(
        "ServerSpanWithSchemeNamePortTargetAttributes",
        "server",
        json!({"http.scheme": "http", "host.name": "kb234.example.com", "net.host.port": 8080, "http.target": "/users/junit"}),
        "http://kb234.example.com:8080/users/junit",
    );
    url_is(
        "ServerSpanWithSchemeNamePortTargetAttributesStable",
        "server",
        json!({"url.scheme": "http", "server.address": "kb234.example.com", "server.port": 8080, "url.path": "/users/junit"}),
        "http://kb234.example.com:8080/users/junit",
    );
    // Departs: the exporter of December 2024 writes `http:///` for a client with stable names only.
    url_is(
        "ClientSpanWithStableNamesOnly",
        "client",
        json!({"http.request.method": "GET", "server.address": "api.example.com", "server.port": 8443, "url.path": "/a",
            "url.query": "b=c", "url.scheme": "https"}),
        "https://api.example.com:8443/a?b=c",
    );
}

/// Cases 5, 6 and 12 to 14.
#[test]
fn client_addresses() {
    let ip_is = |name: &str, kind: &str, attributes: Json, ip: Json, forwarded: Json| {
        check(
            name,
            kind,
            attributes,
            &json!({
                "/http/request/client_ip": ip, "/http/request/x_forwarded_for": forwarded,
            }),
        );
    };
    let peer = json!({
        "net.peer.name": "kb234.example.com", "net.peer.port": 8080, "net.peer.ip": "10.8.17.36",
        "http.target": "/users/junit",
    });
    for (name, method) in [
        ("ClientSpanWithPeerAttributes", json!({"http.method": "GET", "http.scheme": "http"})),
        ("ClientSpanWithPeerAttributesStable", json!({"http.request.method": "GET", "url.scheme": "http"})),
    ] {
        check(
            name,
            "client",
            support::merged(&[&peer, &method]),
            &json!({
                "/http/request/client_ip": "10.8.17.36", "/http/request/x_forwarded_for": null,
                "/http/request/url": "http://kb234.example.com:8080/users/junit",
            }),
        );
    }
    for (name, own) in [
        ("ClientSpanWithHttpPeerAttributes", json!({"http.client_ip": "1.2.3.4"})),
        (
            "ClientSpanWithHttpPeerAttributesStable",
            json!({"client.address": "1.2.3.4", "http.request.method": "GET"}),
        ),
    ] {
        ip_is(name, "client", support::merged(&[&peer, &own]), json!("1.2.3.4"), Json::Null);
    }
    let get = |attributes: Json| support::merged(&[&json!({"http.request.method": "GET"}), &attributes]);
    ip_is(
        "ClientAddressWithoutNetworkPeerAddress",
        "server",
        get(json!({"client.address": "192.168.15.32"})),
        json!("192.168.15.32"),
        json!(true),
    );
    ip_is(
        "ClientAddressWithNetworkPeerAddress",
        "server",
        get(json!({"client.address": "192.168.15.32", "network.peer.address": "192.168.15.32"})),
        json!("192.168.15.32"),
        Json::Null,
    );
    ip_is(
        "ClientAddressNotIP",
        "server",
        get(json!({"client.address": "api.example.com", "network.peer.address": "api.example.com"})),
        Json::Null,
        Json::Null,
    );
}

/// Case 11, with the old names, with the stable ones, and with both.
#[test]
fn spans_with_not_enough_http_request_url_attributes() {
    let old = json!({
        "http.method": "GET", "http.scheme": "http", "http.client_ip": "192.168.15.32",
        "http.user_agent": "PostmanRuntime/7.21.0", "http.target": "/users/junit", "net.host.port": 443,
        "net.peer.port": 8080, "http.status_code": 200,
    });
    let stable = json!({
        "http.request.method": "GET", "url.scheme": "http", "client.address": "192.168.15.32",
        "user_agent.original": "PostmanRuntime/7.21.0", "url.path": "/users/junit", "server.port": 443,
        "network.peer.port": 8080, "http.response.status_code": 200,
    });
    for (name, attributes) in [
        ("SpanWithNotEnoughHTTPRequestURLAttributes", old.clone()),
        ("SpanWithNotEnoughHTTPRequestURLAttributesStable", stable.clone()),
        ("SpanWithNotEnoughHTTPRequestURLAttributesDuplicated", support::merged(&[&old, &stable])),
    ] {
        let case = json!({
            "kind": "server", "attributes": attributes,
            "events": [["message", {"message.type": "RECEIVED", "messaging.message_payload_size_bytes": 12452}]],
        });
        support::check(
            name,
            &Options::collector(),
            case,
            &json!({
                "/http/request": {
                    "method": "GET", "client_ip": "192.168.15.32", "user_agent": "PostmanRuntime/7.21.0", "x_forwarded_for": true,
                },
                "/http/response": {"status": 200, "content_length": 12452},
            }),
        );
    }
}

/// Ours: what is no request has no block, and what does not fit stays whole.
#[test]
fn nothing_is_lost_and_nothing_made_up() {
    check(
        "address only",
        "client",
        json!({"server.address": "db", "server.port": 5432}),
        &json!({
            "/http": null, "/metadata/default": {"server.address": "db", "server.port": 5432}, "/name": "db",
        }),
    );
    let long = format!("https://ann:secret@api.example.com/{}", "ä".repeat(300));
    let clean = long.replace("ann:secret@", "");
    check(
        "long url",
        "client",
        json!({"url.full": long, "user_agent.original": "x".repeat(300)}),
        &json!({
            "/http/request/url": clean.chars().take(250).collect::<String>(), "/metadata/default/url.full": clean,
            "/http/request/user_agent": "x".repeat(250), "/metadata/default/user_agent.original": "x".repeat(300),
        }),
    );
}
