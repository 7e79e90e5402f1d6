//! The list, the live stream, the token, the UI's files.

use std::io::{BufRead, BufReader, Write};

use serde_json::{Value, json};

use crate::support::{Answer, Console, JSON, TempDir, connect, eventually, request, span, trace_path};

fn names(list: &Value) -> Vec<&str> {
    list["traces"].as_array().unwrap().iter().map(|trace| trace["name"].as_str().unwrap()).collect()
}

#[test]
fn the_list_is_newest_first_filtered_and_paged() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let mut failed = span(3, 1, 0, "third", 30, 500);
    failed.status = Some(opentelemetry_proto::tonic::trace::v1::Status { code: 2, message: String::new() });
    console.send("gateway", vec![span(2, 1, 0, "second", 20, 50), failed]);
    console.send("users", vec![span(1, 1, 0, "first", 10, 5)]);
    // A clock that runs ahead by years must not stay on top.
    let mut ahead = span(4, 1, 0, "ahead", 0, 5);
    ahead.start_time_unix_nano = 9_000_000_000_000_000_000;
    ahead.end_time_unix_nano = ahead.start_time_unix_nano;
    console.send("users", vec![ahead]);
    let mut newer = span(5, 1, 0, "now", 0, 5);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    (newer.start_time_unix_nano, newer.end_time_unix_nano) = (now, now);
    console.send("users", vec![newer]);

    let answer = console.get("/api/traces");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
    let check = |query: &str, expect: &[&str]| {
        let list = console.json(&format!("/api/traces{query}"));
        assert_eq!(names(&list), expect, "{query}");
        list
    };
    let all = ["now", "ahead", "third", "second", "first"];
    check("", &all);
    check("?service=&error=&min_duration_ms=&before=", &all);
    check("?service=gateway", &["third", "second"]);
    check("?service=gate", &[]);
    check("?error=true", &["third"]);
    check("?error=false&service=gateway", &["second"]);
    check("?min_duration_ms=50", &["third", "second"]);
    check("?min_duration_ms=50.5", &["third"]);
    let page = check("?limit=2", &all[..2]);
    let page = check(&format!("?limit=2&before={}", page["next"].as_str().unwrap()), &all[2..4]);
    let page = check(&format!("?limit=2&before={}", page["next"].as_str().unwrap()), &all[4..]);
    assert_eq!(page.get("next"), None);
    for bad in
        ["?limit=x", "?error=maybe", "?min_duration_ms=-1", "?min_duration_ms=soon", "?before=yesterday"]
    {
        assert_eq!(console.get(&format!("/api/traces{bad}")).status, 400, "{bad}");
    }
}

#[test]
fn what_is_not_there_is_a_problem() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let check = |path: &str, status: u16| {
        let answer = console.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        assert_eq!(answer.json()["status"], status, "{path}");
    };
    check(&trace_path(1), 404);
    check("/api/traces/zzz", 400);
    check("/api/traces/00000000000000000000000000000000", 400);
    check("/api/traces/1-68b329da-9893e34099c7d8ad5cb9c940/spans/1", 400);
    check("/api/traces/1-68b329da-9893e34099c7d8ad5cb9c940/spans/0000000000000001", 404);
    check("/api/nothing", 404);
    check("/api/traces/stream?trace_id=zzz", 400);
}

#[test]
fn a_foreign_host_is_refused_on_every_port() {
    let dir = TempDir::new();
    let console = Console::start_with(&dir, &[("ALLOWED_HOSTS", "console")]);
    let check = |port: u16, path: &str, host: &str, expect: u16| {
        let method = if path.starts_with("/v1") { "POST" } else { "GET" };
        let answer = request(port, method, path, &[("host", host), JSON], b"{}");
        assert_eq!(answer.status, expect, "{method} {path} of {host}: {}", answer.text());
    };
    for (port, path) in [
        (console.ports.web, "/api/traces"),
        (console.ports.web, "/api/stats"),
        (console.ports.web, "/"),
        (console.ports.otlp_http, "/v1/traces"),
    ] {
        check(port, path, "evil.example", 403);
        check(port, path, "localhost.evil.example:4318", 403);
        check(port, path, "localhost", 200);
        check(port, path, "console:4318", 200);
    }
    assert_eq!(console.json("/api/stats")["refused_requests"]["host"], 2);
}

#[test]
fn the_token_guards_what_is_read_and_not_what_is_sent() {
    let dir = TempDir::new();
    let console = Console::start_with(&dir, &[("CONSOLE_TOKEN", "s3cret")]);
    console.send("a", vec![span(1, 1, 0, "x", 0, 1)]);
    let get = |path: &str, headers: &[(&str, &str)]| request(console.ports.web, "GET", path, headers, b"");
    for path in ["/api/traces", "/api/stats", "/api/traces/stream", "/", "/trace/1"] {
        assert_eq!(get(path, &[]).status, 401, "{path}");
    }
    let check = |value: &str, expect: u16| {
        assert_eq!(get("/api/stats", &[("authorization", value)]).status, expect, "{value}");
    };
    check("Bearer s3cret", 200);
    check("Bearer s3cre", 401);
    check("Bearer s3cret2", 401);
    check("Bearer ", 401);
    check("s3cret", 401);
    let entered = get("/trace/1?token=s3cret&span=2", &[]);
    assert_eq!((entered.status, entered.header("location")), (303, Some("/trace/1?span=2")));
    let cookie = entered.header("set-cookie").unwrap();
    assert_eq!(cookie, "console_token=s3cret; HttpOnly; SameSite=Strict; Path=/");
    assert_eq!(get("/api/stats", &[("cookie", "console_token=s3cret")]).status, 200);
    assert_eq!(get("/api/stats", &[("cookie", "console_token=other")]).status, 401);
    assert_eq!(get("//evil.example/?token=s3cret", &[]).header("location"), Some("/evil.example/"));
    assert_eq!(get("/?token=wrong", &[]).status, 401);
}

#[test]
fn an_open_port_needs_a_token() {
    for (name, listen) in [("LISTEN", "0.0.0.0:4380"), ("CONSOLE_XRAY_DAEMON", "0.0.0.0:2000")] {
        let env = env::Env::from_pairs([(name, listen)]);
        let line = format!(
            "CONSOLE_TOKEN: is not set, and with {name}={listen} everyone could read the traces; for example CONSOLE_TOKEN=a-long-random-word"
        );
        assert_eq!(console::Config::from_env(&env).unwrap_err().to_string(), line);
        assert!(console::Config::from_env(&env.clone().with("CONSOLE_OPEN", "true")).is_ok());
        assert!(console::Config::from_env(&env.with("CONSOLE_TOKEN", "s3cret")).is_ok());
    }
}

/// The data of the next event; comments are skipped.
fn next_event(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> (String, Value) {
    let mut event = String::new();
    loop {
        let line = lines.next().expect("the stream goes on").unwrap();
        if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut event);
        } else if let Some(data) = line.strip_prefix("data: ") {
            return (event, serde_json::from_str(data).unwrap());
        }
    }
}

#[test]
fn the_stream_tells_what_was_stored() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let follow = |query: &str| {
        let mut stream = connect(console.ports.web);
        write!(stream, "GET /api/traces/stream{query} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert!(lines.next().unwrap().unwrap().contains("200 OK"));
        // Subscribed by then.
        lines.by_ref().find(|line| line.as_ref().unwrap() == ": connected").unwrap().unwrap();
        lines
    };
    let mut all = follow("");
    let mut one = follow("?trace_id=00000000000000000000000000000002");
    let mut errors = follow("?error=true");

    console.send("a", vec![span(1, 1, 0, "first", 0, 1)]);
    let (event, data) = next_event(&mut all);
    assert_eq!(event, "traces");
    let mut list = console.json("/api/traces");
    list.as_object_mut().unwrap().remove("next");
    assert_eq!(data, list, "rows are those of the list");

    let mut failed = span(2, 1, 0, "second", 5, 1);
    failed.status = Some(opentelemetry_proto::tonic::trace::v1::Status { code: 2, message: String::new() });
    console.send("a", vec![failed]);
    assert_eq!(names(&next_event(&mut all).1), ["second"]);
    assert_eq!(names(&next_event(&mut one).1), ["second"]);
    assert_eq!(names(&next_event(&mut errors).1), ["second"]);

    // More at once than is worth listing.
    console.send("a", (10..700).map(|trace| span(trace, 1, 0, "many", 9, 1)).collect());
    assert_eq!(next_event(&mut all), ("reload".to_owned(), json!({})));
}

#[test]
fn a_stream_does_not_hold_up_the_end() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let mut stream = connect(console.ports.web);
    write!(stream, "GET /api/traces/stream HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    BufReader::new(&stream).lines().next().unwrap().unwrap();
    let start = std::time::Instant::now();
    console.stop();
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn the_ui_is_served_and_nothing_beside_it() {
    let dir = TempDir::new();
    let ui = dir.path().join("ui");
    std::fs::create_dir_all(ui.join("assets")).unwrap();
    std::fs::write(ui.join("index.html"), "<!doctype html>app").unwrap();
    std::fs::write(ui.join("assets/app-1a2b.js"), "app()").unwrap();
    std::fs::write(dir.path().join("secret.txt"), "secret").unwrap();
    let console = Console::start_with(&dir, &[("CONSOLE_UI_DIR", ui.to_str().unwrap())]);
    let check = |path: &str, status: u16, content_type: &str, caching: Option<&str>| {
        let answer: Answer = console.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some(content_type), "{path}");
        assert_eq!(answer.header("cache-control"), caching, "{path}");
        if status == 200 {
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
        assert!(!answer.text().contains("secret"), "{path}");
    };
    let (html, script, problem) = ("text/html; charset=utf-8", "text/javascript", "application/problem+json");
    for page in ["/", "/trace/1-68b329da-9893e34099c7d8ad5cb9c940", "/anything?x=1"] {
        check(page, 200, html, Some("no-cache"));
    }
    check("/assets/app-1a2b.js", 200, script, Some("public, max-age=31536000, immutable"));
    for bad in [
        "/assets/none.js",
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "//secret.txt",
        "/..%2fsecret.txt",
    ] {
        check(bad, 404, problem, Some("no-store"));
    }
}

#[test]
fn without_its_files_the_ui_says_how_to_build_them() {
    let dir = TempDir::new();
    let console = Console::start_with(&dir, &[("CONSOLE_UI_DIR", "/nowhere")]);
    let answer = console.get("/");
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("npm run build"));
}

#[test]
fn ready_means_that_the_store_answers() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    assert_eq!(console.get("/health").status, 200);
    let ready = eventually("ready", || Some(console.get("/ready")).filter(|answer| answer.status == 200));
    assert_eq!(ready.json()["checks"]["store"], "ok");
}
