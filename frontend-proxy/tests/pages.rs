use crate::support::{Edge, new_trace_id};

const UNSAMPLED: &str =
    "Sec-Fetch-Site: same-origin\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n";

#[actix_web::test]
async fn what_is_where_and_for_how_long() {
    let edge = Edge::start("http://127.0.0.1:1").await;
    let page = (200, "text/html; charset=utf-8", "no-store");
    let missing = (404, "application/problem+json", "");
    for (path, expect) in [
        ("/", page),
        ("/@coco", page),
        ("/post/0190a5d0-0000-7000-8000-000000000001", page),
        ("/search?term=x", page),
        ("/somewhere/else", page),
        ("/index.html", missing),
        ("/assets/app-1a2b3c.js", (200, "text/javascript", "public, max-age=31536000, immutable")),
        ("/assets/app-gone.js", missing),
        ("/assets/", missing),
        ("/favicon.svg", (200, "image/svg+xml", "no-cache")),
        ("/missing.png", missing),
        ("/.secret", missing),
        ("/assets/../../outside.txt", missing),
        ("/../outside.txt", missing),
        ("/assets/..%2f..%2foutside.txt", missing),
        ("/%2e%2e/outside.txt", missing),
        ("//etc/passwd", page),
    ] {
        let answer = edge.send(&format!("GET {path}"), "", b"").await;
        let got = (answer.status, answer.header("content-type"), answer.header("cache-control"));
        assert_eq!((got.0, got.1.as_str(), got.2.as_str()), expect, "{path}\n{}", answer.head);
        assert!(!answer.body.contains("secret"), "{path}");
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(header), value, "{path}");
        }
        let csp = answer.header("content-security-policy");
        assert!(
            csp.contains("connect-src 'self'") && csp.contains("frame-ancestors 'none'"),
            "{path}: {csp}"
        );
        assert!(!csp.contains("unsafe"), "{path}: {csp}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
    for (request, status) in
        [("POST /", 405), ("POST /somewhere", 405), ("DELETE /assets/app-1a2b3c.js", 405)]
    {
        assert_eq!(edge.send(request, "", b"").await.status, status, "{request}");
    }
    let answer = edge.send("GET /", "", b"").await;
    assert_eq!(edge.send("HEAD /", "", b"").await.header("content-length"), answer.header("content-length"));
}

#[actix_web::test]
async fn the_page_carries_its_trace_only_when_sampled() {
    let edge = Edge::with("http://127.0.0.1:1", &[("BROWSER_TRACES_SAMPLER_ARG", "0.5")]).await;
    let sampled = edge.send("GET /", "", b"").await;
    let trace_id = sampled.header("traceresponse")[3..35].to_owned();
    let traceparent =
        format!("<meta name=\"traceparent\" content=\"{}\" />", sampled.header("traceresponse"));
    assert!(
        sampled.body.starts_with(&format!("<!doctype html><html><head>{traceparent}")),
        "{}",
        sampled.body
    );
    assert!(sampled.body.contains("<meta name=\"sampling-ratio\" content=\"0.5\" />"), "{}", sampled.body);
    assert!(
        sampled.body.contains(
            "<meta name=\"console-url\" content=\"http://localhost:4380/?a=&quot;1&quot;&amp;b\" />"
        ),
        "{}",
        sampled.body
    );
    let spans = crate::support::receive(&trace_id, 1).await;
    assert_eq!((spans[0].service(), spans[0].span.name.as_str()), ("frontend-proxy", "GET /"));

    let unsampled = edge.send("GET /", UNSAMPLED, b"").await;
    assert!(!unsampled.body.contains("traceparent"), "{}", unsampled.body);
    assert_eq!(unsampled.header("cache-control"), "no-cache");
    let tag = unsampled.header("etag");
    let again = edge.send("GET /", &format!("{UNSAMPLED}If-None-Match: {tag}\r\n"), b"").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
}

#[actix_web::test]
async fn the_laboratory_is_closed_in_production() {
    for (env, open) in [("development", true), ("production", false)] {
        let edge = Edge::with("http://127.0.0.1:1", &[("THROUGHLINE_ENV", env)]).await;
        let page = edge.send("GET /", "", b"").await.body;
        assert_eq!(page.contains("<meta name=\"laboratory\" content=\"open\" />"), open, "{env}: {page}");
    }
}

#[actix_web::test]
async fn files_get_no_trace() {
    let edge = Edge::start("http://127.0.0.1:1").await;
    let answer = edge.send("GET /assets/app-1a2b3c.js", "", b"").await;
    assert_eq!(answer.header("traceresponse"), "");
}

#[actix_web::test]
async fn without_a_build_it_says_what_to_do() {
    let edge = Edge::start("http://127.0.0.1:1").await;
    assert_eq!(edge.send("GET /ready", "", b"").await.status, 200);
    std::fs::remove_file(edge.web_dir.join("index.html")).unwrap();
    let answer = edge.send("GET /", "", b"").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("npm run build"), "{}", answer.body);
    assert_eq!(edge.send("GET /ready", "", b"").await.status, 503);
    assert_eq!(edge.send("GET /health", "", b"").await.status, 200);
    assert_eq!(new_trace_id().len(), 32);
}
