//! Filter patterns: the examples of the CloudWatch Logs user guide ("Filter pattern syntax ..."), and what is no pattern.

use vendor_apis::cloudwatch::pattern::Pattern;

fn check(pattern: &str, lines: &[&str], expect: &[usize]) {
    let parsed = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let found: Vec<usize> = (0..lines.len()).filter(|place| parsed.matches(lines[*place])).collect();
    assert_eq!(found, expect, "{pattern}");
}

#[test]
fn terms() {
    let lines = [
        "[ERROR 400] BAD REQUEST",
        "[ERROR 401] UNAUTHORIZED REQUEST",
        "[ERROR 419] MISSING ARGUMENTS",
        "[ERROR 420] INVALID ARGUMENTS",
        "[WARN 500] INTERNAL SERVER ERROR",
        "[INFO] all is well (as far as we know)",
    ];
    for (pattern, expect) in [
        ("", &[0, 1, 2, 3, 4, 5][..]),
        ("   ", &[0, 1, 2, 3, 4, 5]),
        ("ERROR", &[0, 1, 2, 3, 4]),
        ("error", &[]),
        ("ERROR ARGUMENTS", &[2, 3]),
        ("ARGUMENTS   ERROR", &[2, 3]),
        ("?ERROR ?ARGUMENTS", &[0, 1, 2, 3, 4]),
        ("?MISSING ?INVALID ?well", &[2, 3, 5]),
        ("\"INTERNAL SERVER ERROR\"", &[4]),
        ("\"SERVER INTERNAL\"", &[]),
        ("ERROR -ARGUMENTS", &[0, 1, 4]),
        ("-ERROR", &[5]),
        ("ERROR -\"BAD REQUEST\" -\"SERVER ERROR\"", &[1, 2, 3]),
        // Beside terms that must be there the optional ones mean nothing.
        ("?BAD INVALID", &[3]),
        ("%4(00|01)%", &[0, 1]),
        ("%ERROR 4\\d\\d%", &[0, 1, 2, 3]),
        ("-%ERROR 4% ERROR", &[4]),
        ("\"(as far\"", &[5]),
        ("\"[INFO]\"", &[5]),
    ] {
        check(pattern, &lines, expect);
    }
    check(r#""a \"b\" c""#, &[r#"x a "b" c y"#, "a b c"], &[0]);
    check("größe", &["die größe", "die groesse"], &[0]);
}

#[test]
fn json() {
    // The user guide's event, and two that differ.
    let event = r#"{ "eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],
        "objectList": [ { "name": "a", "id": 1 }, { "name": "b", "id": 2 } ], "SomeObject": null, "cluster.name": "c",
        "errorCode": 400, "errorMessage": "not yours", "latency": 50.5, "isSecure": true, "actions": { "a b": { "code": 0 } } }"#;
    let other = r#"{ "eventType": "DeleteTrail", "sourceIPAddress": "123.123.1.9", "errorCode": "400", "latency": 1e3,
        "isSecure": false, "user": { "email": "someone@example.com", "id": 1 }, "arrayKey": [] }"#;
    let lines = [event, other, "{}", "no JSON", "[1]", "{ \"eventType\": \"UpdateTrail\""];
    for (pattern, expect) in [
        ("{ $.eventType = \"UpdateTrail\" }", &[0][..]),
        ("{$.eventType=UpdateTrail}", &[0]),
        ("{ $.eventType = \"*Trail\" }", &[0, 1]),
        ("{ $.eventType = *Trail }", &[0, 1]),
        ("{ $.eventType = \"Up*il\" }", &[0]),
        ("{ $.eventType = %[UD].*Trail% }", &[0, 1]),
        ("{ $.eventType != \"UpdateTrail\" }", &[1]),
        ("{ $.sourceIPAddress != 123.123.* }", &[0]),
        ("{ $.sourceIPAddress = 123.123.* }", &[1]),
        ("{ $.arrayKey[0] = \"value\" }", &[0]),
        ("{ $.arrayKey[1] = \"another *\" }", &[0]),
        ("{ $.arrayKey[2] = * }", &[]),
        ("{ $.arrayKey[*] = \"another value\" }", &[0]),
        ("{ $.objectList[1].id = 2 }", &[0]),
        ("{ $.objectList[*].name = \"b\" }", &[0]),
        ("{ $.SomeObject IS NULL }", &[0]),
        ("{ $.SomeObject IS NOT NULL }", &[]),
        ("{ $.SomeOtherObject NOT EXISTS }", &[0, 1, 2]),
        ("{ $.SomeObject EXISTS }", &[0]),
        ("{ $.SomeObject = * }", &[]),
        ("{ $.isSecure IS TRUE }", &[0]),
        ("{ $.isSecure IS FALSE }", &[1]),
        ("{ $.isSecure = true }", &[0]),
        ("{ $.errorCode = 400 }", &[0, 1]),
        ("{ $.errorCode = \"400\" }", &[0, 1]),
        ("{ $.errorCode != 400 }", &[]),
        ("{ $.errorCode >= 400 && $.errorCode < 401 }", &[0, 1]),
        ("{ $.latency > 50 }", &[0, 1]),
        ("{ $.latency > 5.05e1 }", &[1]),
        ("{ $.latency = 1e3 }", &[1]),
        ("{ $.latency < -1 }", &[]),
        ("{ $.['cluster.name'] = \"c\" }", &[0]),
        ("{ $['cluster.name'] = 'c' }", &[0]),
        ("{ $.actions.['a b'].code = 0 }", &[0]),
        ("{ $.user.email = \"*@example.com\" || $.actions = * }", &[0, 1]),
        // && before ||.
        ("{ $.eventType = \"UpdateTrail\" || $.eventType = \"DeleteTrail\" && $.latency < 2 }", &[0]),
        ("{ ($.eventType = \"UpdateTrail\" || $.eventType = \"DeleteTrail\") && $.latency > 100 }", &[1]),
        ("{ ($.user.id = 1) && ($.errorCode = 400) }", &[1]),
        ("{ $.user.id.x = 1 }", &[]),
    ] {
        check(pattern, &lines, expect);
    }
    check(
        "{ $.level = \"ERROR\" && $.user_id = * }",
        &[r#"{"level":"ERROR","user_id":17}"#, r#"{"level":"ERROR","user_id":null}"#, r#"{"level":"ERROR"}"#],
        &[0],
    );
}

#[test]
fn fields_between_blanks() {
    let lines = [
        "127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] \"GET /index.html HTTP/1.0\" 404 1534",
        "127.0.0.1 Prod frank [10/Oct/2000:13:35:22 -0700] \"GET /about.html HTTP/1.0\" 500 5324",
        "10.0.0.2 Test anna [10/Oct/2000:13:50:35 -0700] \"POST /x HTTP/1.1\" 200 4355",
        "one two",
    ];
    for (pattern, expect) in [
        ("[ip, user, username, timestamp, request, status_code, bytes]", &[0, 1, 2][..]),
        ("[ip, user, username, timestamp, request =*.html*, status_code = 4*, bytes]", &[0]),
        ("[..., request =*.html*, status_code = 4*,]", &[]),
        ("[..., status_code = 4*, bytes]", &[0]),
        ("[..., status_code, bytes > 5000]", &[1]),
        ("[ip != 10.*, ...]", &[0, 1, 3]),
        ("[ip=%127\\.0\\.0\\.[1-9]%, ...]", &[0, 1]),
        ("[ip, user, username, timestamp, request, status_code = 404 || status_code = 500, bytes]", &[0, 1]),
        ("[ip, user, username, timestamp, request, status_code >= 400 && status_code != 500, bytes]", &[0]),
        ("[w1, w2]", &[3]),
        ("[w1 = one, ...]", &[3]),
        ("[...]", &[0, 1, 2, 3]),
    ] {
        if pattern.ends_with(",]") {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        } else {
            check(pattern, &lines, expect);
        }
    }
}

#[test]
fn what_is_no_pattern_and_where() {
    let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(40), ")".repeat(40));
    for (pattern, expect) in [
        ("\"never closed", "this \" is never closed (at character 0)"),
        ("a %never", "this % is never closed (at character 2)"),
        ("%%", "a regular expression is empty (at character 1)"),
        ("%(%", "this is no regular expression, or too large a one (at character 1)"),
        ("%(a{1000}){1000}%", "this is no regular expression, or too large a one (at character 1)"),
        ("ERROR -", "a term is missing here (at character 7)"),
        ("{", "expected a field, such as $.level (at character 1)"),
        ("{ }", "expected a field, such as $.level (at character 2)"),
        (
            "{ $.a }",
            "expected =, !=, <, <=, >, >=, IS NULL, IS TRUE, IS FALSE or NOT EXISTS (at character 6)",
        ),
        ("{ $.a = }", "a value is missing here (at character 8)"),
        ("{ $.a = 1", "expected && or || or } (at character 9)"),
        ("{ $.a = 1 } x", "nothing may follow the } (at character 12)"),
        ("{ $.a = 1 && }", "expected a field, such as $.level (at character 13)"),
        ("{ $. = 1 }", "the name of a field is missing here (at character 4)"),
        ("{ $ = 1 }", "expected a field, such as $.level (at character 3)"),
        ("{ ($.a = 1 }", "expected ) (at character 11)"),
        ("{ $.a[x] = 1 }", "expected an index, * or a name in quotes (at character 6)"),
        ("{ $.a > x }", "only numbers can be greater or less (at character 9)"),
        ("{ $.a IS 1 }", "expected NULL, TRUE or FALSE (at character 9)"),
        (&deep, "too many parentheses within each other (at character 35)"),
        ("[]", "there is no field (at character 2)"),
        ("[a, ..., b, ...]", "... may stand once (at character 15)"),
        ("[a b]", "expected , or ] (at character 3)"),
        ("[größe = ]", "a value is missing here (at character 9)"),
    ] {
        let error = Pattern::parse(pattern).expect_err(pattern).to_string();
        assert_eq!(error, expect, "{pattern}");
    }
}
