//! X-Ray's API: documents, queries with filter expressions, groups and sampling rules.

use opentelemetry_proto::tonic::trace::v1::span;
use serde_json::{Value, json};

use crate::support::{Answer, Console, TempDir, request, span};
use crate::xray::{ask, call, id, segment, settled, subsegment, trace_id};

#[test]
fn the_api_takes_documents_and_says_which_it_does_not() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let mut bad = segment(3, 2, "bad");
    bad["end_time"] = json!(1.0);
    let documents = [segment(3, 1, "good").to_string(), bad.to_string(), "{".to_owned()];
    let answer = ask(&console, "/TraceSegments", &json!({ "TraceSegmentDocuments": documents }));
    assert_eq!(
        answer["UnprocessedTraceSegments"],
        json!([
            { "Id": id(2), "ErrorCode": "InvalidSegment", "Message": "Invalid segment. ErrorCode: InvalidSegment" },
            { "ErrorCode": "ParseError", "Message": "Invalid segment. ErrorCode: ParseError" },
        ])
    );
    // Acknowledged means readable.
    assert_eq!(console.json(&format!("/api/traces/{}", trace_id(3)))["span_count"], 1);
    assert_eq!(ask(&console, "/TelemetryRecords", &json!({ "TelemetryRecords": [] })), json!({}));

    let refused = |name: &str, answer: &Answer, status: u16, kind: &str| {
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert_eq!(answer.header("x-amzn-errortype"), Some(kind), "{name}");
        assert_eq!(answer.json()["__type"], kind, "{name}");
    };
    let kind = "InvalidRequestException";
    refused("no documents", &call(&console, "/TraceSegments", &json!({})), 400, kind);
    let many = json!({ "TraceSegmentDocuments": vec!["{}"; 51] });
    refused("51 documents", &call(&console, "/TraceSegments", &many), 400, kind);
    refused("no JSON", &request(console.ports.web, "POST", "/TraceSegments", &[], b"{"), 400, kind);
    let foreign = [("origin", "https://evil.example")];
    let answer = request(console.ports.web, "POST", "/TraceSegments", &foreign, b"{}");
    refused("a page of another origin", &answer, 403, "AccessDeniedException");

    // The daemon's TCP port passes everything on.
    let tcp = |path: &str, body: &[u8]| request(console.ports.xray_daemon, "POST", path, &[], body);
    let body = json!({ "TraceSegmentDocuments": [segment(3, 4, "by TCP").to_string()] }).to_string();
    assert_eq!(tcp("/TraceSegments", body.as_bytes()).json(), json!({ "UnprocessedTraceSegments": [] }));
    refused("another path", &tcp("/Nothing", b"{}"), 404, "UnknownOperationException");
    let rebound = [("host", "evil.example:2000")];
    assert_eq!(request(console.ports.xray_daemon, "POST", "/TraceSegments", &rebound, b"{}").status, 403);
    let stats = settled(&console, 4);
    assert_eq!(stats["xray"]["received"], json!({ "udp": 0, "api": 4 }));
}

/// Two services, a database and an API that does not report itself.
fn shop(console: &Console, trace: u128, fault: bool) {
    let mut front = segment(trace, 1, "front");
    front["http"] = json!({ "request": { "url": "http://front/api/game/", "method": "GET", "client_ip": "1.2.3.4", "user_agent": "curl/8" },
        "response": { "status": if fault { 500 } else { 200 } } });
    front["fault"] = fault.into();
    front["annotations"] = json!({ "gameid": "817DL6VO", "age": 30, "app.plan": "pro", "new": true });
    front["user"] = "alice".into();
    front["origin"] = "AWS::EC2::Instance".into();
    let mut call = subsegment(trace, 2, 1, "back");
    call["namespace"] = "remote".into();
    let mut back = segment(trace, 3, "back");
    back["parent_id"] = id(2).into();
    back["error"] = fault.into();
    back["cause"] = json!({ "exceptions": [{ "id": id(8), "type": "Bad", "message": "no such game" }] });
    let mut query = subsegment(trace, 4, 3, "games@db");
    query["namespace"] = "remote".into();
    query["sql"] = json!({ "sanitized_query": "SELECT ?" });
    let mut table = subsegment(trace, 5, 3, "DynamoDB");
    table["namespace"] = "aws".into();
    table["aws"] = json!({ "operation": "GetItem", "table_name": "games" });
    let documents: Vec<_> = [front, call, back, query, table].iter().map(ToString::to_string).collect();
    let answer = ask(console, "/TraceSegments", &json!({ "TraceSegmentDocuments": documents }));
    assert_eq!(answer, json!({ "UnprocessedTraceSegments": [] }));
}

#[test]
fn filter_expressions() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let (good, bad) = (
        trace_id(0x6553_f100_0000_0000_0000_0000_0000_0001),
        trace_id(0x6553_f100_0000_0000_0000_0000_0000_0002),
    );
    shop(&console, 0x6553_f100_0000_0000_0000_0000_0000_0001, false);
    shop(&console, 0x6553_f100_0000_0000_0000_0000_0000_0002, true);
    ask(&console, "/CreateGroup", &json!({ "GroupName": "faulty", "FilterExpression": "fault" }));
    let range = |filter: &str| json!({ "StartTime": 1_699_999_900, "EndTime": 1_700_000_100, "FilterExpression": filter });
    let found = |filter: &str| {
        let answer = ask(&console, "/TraceSummaries", &range(filter));
        let summaries = answer["TraceSummaries"].as_array().unwrap();
        let mut ids: Vec<_> = summaries.iter().map(|s| s["Id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let (both, none) = (vec![good.clone(), bad.clone()], Vec::<String>::new());
    let (good, bad) = (vec![good], vec![bad]);
    for (filter, expect) in [
        // AWS's own list ("Use filter expressions").
        ("responsetime > 5", &none),
        ("responsetime > 1", &both),
        ("duration >= 1 AND duration <= 8", &both),
        ("!ok", &bad),
        ("ok = false", &bad),
        ("ok != false", &good),
        ("http.status != 200", &bad),
        ("http.url CONTAINS \"/api/game/\"", &both),
        ("service(\"back\") { fault }", &none),
        ("service(\"back\") { error }", &bad),
        ("service() { fault }", &bad),
        ("edge(\"front\", \"back\") { error }", &bad),
        ("edge(\"back\", \"front\")", &none),
        (
            "http.url BEGINSWITH \"http://front/\" AND http.url CONTAINS \"/game/\" AND !service(\"api.example.com\")",
            &both,
        ),
        ("annotation.gameid = \"817DL6VO\"", &both),
        ("annotation.age", &both),
        ("!annotation.age", &none),
        ("annotation.age > 29", &both),
        ("annotation.age >= 31", &none),
        ("group.name = \"faulty\" AND user = \"alice\"", &bad),
        ("group.name != \"faulty\"", &good),
        ("group.name = \"nobody\"", &none),
        ("service(id(name: \"front\", type: \"AWS::EC2::Instance\")) { fault }", &bad),
        ("service(id(account.id: \"000000000000\"))", &both),
        ("service(\"front\") {root = true and fault = true}", &bad),
        // The grammar.
        ("", &both),
        ("ok !partial duration <3", &good),
        ("fault OR ok", &both),
        ("fault or ok", &both),
        ("(fault OR ok) AND !error", &both),
        ("!(fault OR error)", &good),
        ("FAULT", &bad),
        ("responseTime = 1.25", &both),
        ("responsetime < -1", &none),
        ("http.url AND responseTime > 1", &both),
        ("http.method = \"get\"", &none),
        ("http.method = \"GET\"", &both),
        ("http.useragent ENDSWITH \"/8\"", &both),
        ("http.clientip = \"1.2.3.4\"", &both),
        ("user CONTAINS \"\"", &both),
        ("user != \"alice\"", &none),
        ("user = \"o\\\"brien\"", &none),
        ("annotation[app.plan] = \"pro\"", &both),
        ("annotation[\"app.plan\"] BEGINSWITH \"p\"", &both),
        ("annotation.new = true", &both),
        ("annotation.new = false", &none),
        ("annotation.age = \"30\"", &none),
        ("annotation.nothing != 1", &none),
        ("service(id(type: \"Database::SQL\"))", &both),
        ("service(\"DynamoDB\") { inferred }", &both),
        ("service(\"back\") { inferred }", &none),
        ("edge(\"back\", id(type: \"AWS::DynamoDB::Table\"))", &both),
        ("service() { message = \"no such game\" }", &both),
        ("message CONTAINS \"game\"", &both),
        ("service(\"front\") { first AND !last }", &both),
        ("service(\"games@db\") { last }", &both),
        ("service() { service(\"x\") }", &none),
        ("rootcause.fault.service { name = \"front\" }", &bad),
        ("rootcause.error.service { name = \"front\" }", &none),
    ] {
        assert_eq!(found(filter), *expect, "{filter}");
    }
    let deep = "(".repeat(40) + "ok" + &")".repeat(40);
    for (filter, at, problem) in [
        ("responsetime >", 14, "expected a number"),
        ("responsetime > \"5\"", 15, "expected a number"),
        ("responsetime", 12, "expected a comparison such as `> 5`"),
        ("responsetime CONTAINS 5", 13, "expected a comparison such as `> 5`"),
        ("falt", 0, "`falt` is no keyword"),
        ("ok AND", 6, "expected a keyword such as `fault` or `responsetime`"),
        ("ok )", 3, "expected AND, OR or the end"),
        ("(ok", 3, "expected `)`"),
        ("ok = maybe", 5, "expected `true` or `false`"),
        ("ok > true", 3, "a flag is only compared by `=` and `!=`"),
        ("user = alice", 7, "expected a text in double quotes"),
        ("user = 'alice'", 7, "texts stand in double quotes"),
        ("user = \"alice", 7, "this text has no closing quote"),
        ("user > \"a\"", 5, "expected a comparison of texts such as `= \"..\"`"),
        ("ok & fault", 3, "`&` means nothing here"),
        ("service(front)", 8, "expected a name in double quotes, or `id(..)`"),
        ("service(id(color: \"red\"))", 11, "expected name, type or account.id"),
        ("edge(\"a\")", 8, "expected `,`"),
        ("service() { annotation.a = 1 }", 12, "annotations are of a trace: they do not stand within braces"),
        ("annotation.", 0, "expected the key of an annotation"),
        ("rootcause.json = #[]", 0, "`rootcause.json` is no keyword"),
        ("\u{e4}\u{f6} ok", 0, "`\u{e4}\u{f6}` is no keyword"),
        (deep.as_str(), 32, "more than 32 parentheses and braces within each other"),
    ] {
        let answer = call(&console, "/TraceSummaries", &range(filter));
        let expect = format!("the filter expression is not valid at character {at}: {problem}");
        assert_eq!((answer.status, &answer.json()["Message"]), (400, &json!(expect)), "{filter}");
    }
}

#[test]
fn summaries_traces_and_graphs() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let trace = 0x6553_f100_0000_0000_0000_0000_0000_0001;
    shop(&console, trace, true);
    let mut later = span(0xffff_0000_0000_0000_0000_0000_0000_0007, 1, 0, "GET /", 2_000, 10);
    later.kind = span::SpanKind::Server as i32;
    console.send("otlp-only", vec![later]);

    let range = json!({ "StartTime": 1_699_999_900, "EndTime": 1_700_000_100 });
    let answer = ask(&console, "/TraceSummaries", &range);
    let summaries = answer["TraceSummaries"].as_array().unwrap();
    assert_eq!(summaries.len(), 2, "a random id is found by its start");
    assert_eq!(summaries[0]["EntryPoint"]["Name"], "otlp-only", "the newest first, translated");
    let expect = json!({
        "Id": trace_id(trace), "StartTime": 1_700_000_000.5, "Duration": 1.25, "ResponseTime": 1.25,
        "HasFault": true, "HasError": false, "HasThrottle": false, "IsPartial": false,
        "Http": { "HttpURL": "http://front/api/game/", "HttpStatus": 500, "HttpMethod": "GET", "UserAgent": "curl/8", "ClientIp": "1.2.3.4" },
        "EntryPoint": { "Name": "front", "Names": ["front"], "AccountId": "000000000000", "Type": "AWS::EC2::Instance" },
    });
    for (key, value) in expect.as_object().unwrap() {
        assert_eq!(summaries[1][key], *value, "{key}");
    }
    assert_eq!(summaries[1]["Annotations"]["age"][0]["AnnotationValue"], json!({ "NumberValue": 30 }));
    assert_eq!(summaries[1]["Annotations"]["age"][0]["ServiceIds"][0]["Name"], "front");
    assert_eq!(summaries[1]["Users"][0]["UserName"], "alice");
    let names: Vec<_> =
        summaries[1]["ServiceIds"].as_array().unwrap().iter().map(|s| s["Name"].as_str().unwrap()).collect();
    assert_eq!(names, ["DynamoDB", "back", "front", "games@db"]);

    let asked = json!({ "TraceIds": [trace_id(trace), trace_id(99), "no id"] });
    let answer = ask(&console, "/Traces", &asked);
    assert_eq!(answer["UnprocessedTraceIds"], json!([trace_id(99), "no id"]));
    let segments = answer["Traces"][0]["Segments"].as_array().unwrap();
    let documents: Vec<Value> = segments
        .iter()
        .map(|segment| serde_json::from_str(segment["Document"].as_str().unwrap()).unwrap())
        .collect();
    let names: Vec<_> = documents.iter().map(|document| document["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["front", "back", "games@db", "DynamoDB"], "two segments, two inferred");
    assert_eq!(documents[0]["subsegments"][0]["id"], id(2), "an independent subsegment is embedded");
    assert_eq!(documents[0]["subsegments"][0]["trace_id"], Value::Null);
    assert_eq!(
        (&documents[3]["inferred"], &documents[3]["parent_id"], &documents[3]["origin"]),
        (&json!(true), &json!(id(5)), &json!("AWS::DynamoDB::Table"))
    );

    let graph = ask(&console, "/TraceGraph", &json!({ "TraceIds": [trace_id(trace)] }));
    let services = graph["Services"].as_array().unwrap();
    let service = |kind: &str, name: &str| {
        let is_it = |s: &&Value| s["Name"] == name && s["Type"].as_str().unwrap_or_default() == kind;
        services.iter().find(is_it).unwrap_or_else(|| panic!("{kind} {name}"))
    };
    let leads_to = |from: &Value, to: &Value| {
        from["Edges"]
            .as_array()
            .unwrap()
            .iter()
            .find(|edge| edge["ReferenceId"] == to["ReferenceId"])
            .cloned()
    };
    let (client, front, back) =
        (service("client", "front"), service("AWS::EC2::Instance", "front"), service("", "back"));
    let (database, table) =
        (service("Database::SQL", "games@db"), service("AWS::DynamoDB::Table", "DynamoDB"));
    assert_eq!(services.len(), 5);
    for (from, to) in [(client, front), (front, back), (back, database), (back, table)] {
        assert_eq!(
            from["Edges"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|e| e["ReferenceId"] == to["ReferenceId"])
                .count(),
            1
        );
    }
    assert!(leads_to(front, database).is_none());
    assert_eq!(
        (&front["Root"], &front["State"], &database["State"]),
        (&json!(true), &json!("active"), &json!("unknown"))
    );
    assert_eq!(client["SummaryStatistics"], Value::Null);
    assert_eq!(
        front["SummaryStatistics"],
        json!({ "OkCount": 0, "ErrorStatistics": { "ThrottleCount": 0, "OtherCount": 0, "TotalCount": 0 },
            "FaultStatistics": { "OtherCount": 1, "TotalCount": 1 }, "TotalCount": 1, "TotalResponseTime": 1.25 })
    );
    let all = ask(&console, "/ServiceGraph", &range);
    assert!(all["Services"].as_array().unwrap().iter().any(|service| service["Name"] == "otlp-only"));
    ask(&console, "/CreateGroup", &json!({ "GroupName": "shop", "FilterExpression": "service(\"front\")" }));
    // What doctor sends to see whether traces arrive is no part of the system; `TraceGraph` shows it to who asks for it.
    let probe = segment(149 << 64, 1, "throughline-doctor").to_string();
    ask(&console, "/TraceSegments", &json!({ "TraceSegmentDocuments": [probe] }));
    let again = ask(&console, "/ServiceGraph", &range);
    assert_eq!(again["Services"].as_array().unwrap().len(), all["Services"].as_array().unwrap().len());
    assert_eq!(again["TracesProcessedCount"], json!(all["TracesProcessedCount"].as_u64().unwrap() + 1));
    assert_eq!(again["IsPartial"], false);
    let of_group = json!({ "StartTime": 1_699_999_900, "EndTime": 1_700_000_100, "GroupName": "shop" });
    assert_eq!(ask(&console, "/ServiceGraph", &of_group)["Services"].as_array().unwrap().len(), 5);

    for trace in 1_001..=1_150 {
        ask(
            &console,
            "/TraceSegments",
            &json!({ "TraceSegmentDocuments": [segment(trace << 64, 1, "paged").to_string()] }),
        );
    }
    let mut request = json!({ "StartTime": 1_699_999_900, "EndTime": 1_700_000_100, "TimeRangeType": "Event", "FilterExpression": "service(\"paged\")" });
    let first = ask(&console, "/TraceSummaries", &request);
    request["NextToken"] = first["NextToken"].clone();
    let second = ask(&console, "/TraceSummaries", &request);
    let count = |answer: &Value| answer["TraceSummaries"].as_array().unwrap().len();
    assert_eq!((count(&first), count(&second), &second["NextToken"]), (100, 50, &Value::Null));
}

#[test]
fn groups_and_sampling_rules_within_awss_limits() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let refused = |path: &str, body: &Value, kind: &str, message: &str| {
        let answer = call(&console, path, body);
        assert_eq!(
            (answer.status, answer.header("x-amzn-errortype")),
            (400, Some(kind)),
            "{body}: {}",
            answer.text()
        );
        assert!(answer.text().contains(message), "{body}: {}", answer.text());
    };
    let invalid = "InvalidRequestException";
    let cruddur = json!({ "GroupName": "Cruddur", "FilterExpression": "service(\"gateway\")" });
    let created = ask(&console, "/CreateGroup", &cruddur)["Group"].clone();
    assert_eq!(
        (&created["GroupName"], &created["FilterExpression"]),
        (&json!("Cruddur"), &json!("service(\"gateway\")"))
    );
    refused("/CreateGroup", &cruddur, invalid, "already exists");
    refused("/CreateGroup", &json!({ "GroupName": "under_score" }), invalid, "letters, digits and dashes");
    refused("/CreateGroup", &json!({ "GroupName": "x".repeat(33) }), invalid, "1 to 32");
    refused("/CreateGroup", &json!({ "GroupName": "Default" }), invalid, "already exists");
    refused(
        "/CreateGroup",
        &json!({ "GroupName": "bad", "FilterExpression": "falt" }),
        invalid,
        "at character 0",
    );
    refused("/GetGroup", &json!({ "GroupName": "cruddur" }), invalid, "not found");
    assert_eq!(ask(&console, "/GetGroup", &json!({ "GroupARN": created["GroupARN"] }))["Group"], created);
    let update = json!({ "GroupName": "Cruddur", "InsightsConfiguration": { "InsightsEnabled": true, "NotificationsEnabled": true } });
    let updated = ask(&console, "/UpdateGroup", &update);
    assert_eq!(updated["Group"]["FilterExpression"], created["FilterExpression"]);
    assert_eq!(updated["Group"]["InsightsConfiguration"]["InsightsEnabled"], true);
    for number in 0..24 {
        ask(&console, "/CreateGroup", &json!({ "GroupName": format!("g{number}") }));
    }
    refused("/CreateGroup", &json!({ "GroupName": "one-more" }), invalid, "at most 25");
    assert_eq!(ask(&console, "/Groups", &json!({}))["Groups"].as_array().unwrap().len(), 26);
    ask(&console, "/DeleteGroup", &json!({ "GroupName": "g0" }));
    refused("/DeleteGroup", &json!({ "GroupName": "Default" }), invalid, "cannot be deleted");

    let rule = |name: &str| {
        json!({ "SamplingRule": { "RuleName": name, "ResourceARN": "*", "Priority": 9000, "FixedRate": 0.1, "ReservoirSize": 5,
            "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "*", "Version": 1 } })
    };
    let with = |key: &str, value: Value| {
        let mut rule = rule("odd");
        rule["SamplingRule"][key] = value;
        rule
    };
    let record = ask(&console, "/CreateSamplingRule", &rule("Cruddur"))["SamplingRuleRecord"].clone();
    assert_eq!(
        record["SamplingRule"]["RuleARN"],
        "arn:aws:xray:us-east-1:000000000000:sampling-rule/Cruddur"
    );
    refused("/CreateSamplingRule", &rule("Cruddur"), invalid, "already exists");
    for (body, message) in [
        (with("Priority", json!(0)), "between 1 and 9999"),
        (with("Priority", json!(10_000)), "between 1 and 9999"),
        (with("FixedRate", json!(1.5)), "between 0 and 1"),
        (with("ReservoirSize", json!(-1)), "not valid"),
        (with("RuleName", json!("x".repeat(33))), "1 to 32"),
        (with("HTTPMethod", json!("x".repeat(11))), "HTTPMethod"),
        (with("Version", json!(2)), "Version"),
        (with("URLPath", Value::Null), "URLPath is missing"),
        (
            with("Attributes", json!({ "a": "1", "b": "1", "c": "1", "d": "1", "e": "1", "f": "1" })),
            "5 attributes",
        ),
        (json!({ "SamplingRule": 5 }), "missing"),
    ] {
        refused("/CreateSamplingRule", &body, invalid, message);
    }
    let change = json!({ "SamplingRuleUpdate": { "RuleName": "Cruddur", "FixedRate": 0.5 } });
    let changed = ask(&console, "/UpdateSamplingRule", &change)["SamplingRuleRecord"]["SamplingRule"].clone();
    assert_eq!((&changed["FixedRate"], &changed["ReservoirSize"]), (&json!(0.5), &json!(5)));
    refused(
        "/UpdateSamplingRule",
        &json!({ "SamplingRuleUpdate": { "RuleName": "Default", "Priority": 1 } }),
        invalid,
        "only FixedRate",
    );
    refused(
        "/UpdateSamplingRule",
        &json!({ "SamplingRuleUpdate": { "RuleName": "nobody" } }),
        invalid,
        "does not exist",
    );
    refused("/DeleteSamplingRule", &json!({ "RuleName": "Default" }), invalid, "cannot be deleted");
    for number in 0..24 {
        ask(&console, "/CreateSamplingRule", &rule(&format!("r{number}")));
    }
    refused("/CreateSamplingRule", &rule("one-more"), "RuleLimitExceededException", "at most 25");
    assert_eq!(
        ask(&console, "/DeleteSamplingRule", &json!({ "RuleName": "r0" }))["SamplingRuleRecord"]["SamplingRule"]
            ["RuleName"],
        "r0"
    );

    // What was set outlives the process, and samplers get it by the daemon's TCP port.
    console.stop();
    let console = Console::start(&dir);
    let tcp = |path: &str, body: &Value| {
        request(console.ports.xray_daemon, "POST", path, &[], body.to_string().as_bytes()).json()
    };
    let rules = tcp("/GetSamplingRules", &json!({ "NextToken": null }));
    let names: Vec<_> = rules["SamplingRuleRecords"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["SamplingRule"]["RuleName"].as_str().unwrap())
        .collect();
    assert_eq!((names.len(), names[0], names[24]), (25, "Cruddur", "Default"), "in the order of asking");
    let report = |name: &str, client: u8| json!({ "RuleName": name, "ClientID": format!("{client:024X}"), "Timestamp": 1_530_922_806, "RequestCount": 110, "SampledCount": 20, "BorrowCount": 10 });
    let answer = tcp(
        "/SamplingTargets",
        &json!({ "SamplingStatisticsDocuments": [report("Cruddur", 1), report("nobody", 1)] }),
    );
    let target = &answer["SamplingTargetDocuments"][0];
    assert_eq!(
        (&target["RuleName"], &target["FixedRate"], &target["ReservoirQuota"], &target["Interval"]),
        (&json!("Cruddur"), &json!(0.5), &json!(5), &json!(10))
    );
    assert_eq!(answer["UnprocessedStatistics"][0]["RuleName"], "nobody");
    assert!(answer["LastRuleModification"].as_f64().unwrap() > 1.7e9);
    let statistics = ask(&console, "/SamplingStatisticSummaries", &json!({}));
    assert_eq!(statistics["SamplingStatisticSummaries"][0]["RequestCount"], 110);
    assert_eq!(ask(&console, "/Groups", &json!({}))["Groups"].as_array().unwrap().len(), 25);
}

#[test]
fn a_token_is_the_access_key_id_of_those_who_read() {
    let dir = TempDir::new();
    let console = Console::start_with(&dir, &[("CONSOLE_TOKEN", "se/cret")]);
    let sign = |key: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential={key}/20261121/us-east-1/xray/aws4_request, SignedHeaders=host, Signature=00"
        )
    };
    let ask = |port: u16, path: &str, key: Option<&str>| {
        let header = key.map(sign);
        let headers: Vec<_> = header.iter().map(|value| ("authorization", value.as_str())).collect();
        let answer = request(port, "POST", path, &headers, b"{\"TraceSegmentDocuments\":[]}");
        (answer.status, answer.header("x-amzn-errortype").map(str::to_owned))
    };
    let denied = (403, Some("UnrecognizedClientException".to_owned()));
    for port in [console.ports.web, console.ports.xray_daemon] {
        assert_eq!(ask(port, "/Groups", None), denied);
        assert_eq!(ask(port, "/Groups", Some("wrong")), denied);
        assert_eq!(ask(port, "/Groups", Some("se/cret")), (200, None));
        assert_eq!(ask(port, "/TraceSegments", None), (200, None), "who may send is the network's business");
        assert_eq!(ask(port, "/GetSamplingRules", None), (200, None));
    }
}
