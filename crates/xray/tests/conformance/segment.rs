use serde_json::{Value as Json, json};
use throughline_xray::translate::{Options, sanitize_name};

use super::default_resource;
use crate::support::{self, merged};

fn check(name: &str, case: &Json, expect: &Json) {
    check_with(name, &Options::collector(), case, expect);
}

fn check_with(name: &str, options: &Options, case: &Json, expect: &Json) {
    let case = merged(&[&json!({"name": "/test", "resource": default_resource()}), case]);
    support::check(name, options, case, expect);
}

fn indexing(keys: &[&str]) -> Options {
    Options { annotate: keys.iter().map(|key| (*key).to_owned()).collect(), ..Options::collector() }
}

#[test]
fn names_and_kinds() {
    let dynamo = json!({
        "rpc.system": "aws-api", "rpc.service": "DynamoDB", "rpc.method": "GetItem",
        "http.host": "dynamodb.us-east-1.amazonaws.com", "http.method": "POST", "http.scheme": "https", "http.target": "/",
        "aws.request_id": "18BO1FEPJSSAOGNJEDPTPCMIU7VV4KQNSO5AEMVJF66Q9ASUAAJG", "aws.table_name": "otel-dev-Testing",
    });
    let dynamo_is = json!({
        "/name": "DynamoDB", "/namespace": "aws", "/aws/operation": "GetItem", "/type": "subsegment", "/user": null,
        "/aws/table_name": "otel-dev-Testing",
    });
    check(
        "ClientSpanWithRpcAwsSdkClientAttributes",
        &json!({"kind": "client", "name": "DynamoDB.getItem", "attributes": dynamo}),
        &dynamo_is,
    );
    let mut legacy = json!({
        "aws.service": "DynamoDB", "aws.operation": "GetItem", "rpc.method": "IncorrectAWSSDKOperation",
        "http.host": "dynamodb.us-east-1.amazonaws.com", "aws.table_name": "otel-dev-Testing",
    });
    check(
        "ClientSpanWithLegacyAwsSdkClientAttributes",
        &json!({"kind": "client", "attributes": legacy}),
        &dynamo_is,
    );
    legacy["peer.service"] = json!("cats-table");
    check(
        "ClientSpanWithPeerService",
        &json!({"kind": "client", "attributes": legacy}),
        &json!({"/name": "cats-table"}),
    );
    let call = "call update_user_preference( ?, ?, ? )";
    check(
        "ClientSpanWithDbComponent",
        &json!({"kind": "client", "name": call, "attributes": {
            "db.system": "mysql", "db.name": "customers", "db.statement": call, "db.user": "userprefsvc",
            "db.connection_string": "jdbc:mysql://db.dev.example.com:3306",
            "enterprise.app.id": "D4CFDB51-F2D0-43C4-9C4C-5CE7E7D0A1B5",
        }}),
        &json!({
            "/name": "customers@db.dev.example.com", "/namespace": "remote", "/sql/sanitized_query": call,
            "/sql/user": "userprefsvc", "/service/version": "semver:1.1.4", "/aws": "*", "/http": null, "/cause": null,
            "/annotations#": 0, "/metadata/default/enterprise.app.id": "D4CFDB51-F2D0-43C4-9C4C-5CE7E7D0A1B5",
            "/fault": false, "/error": false,
        }),
    );
    let client = |attributes| json!({"kind": "client", "attributes": attributes});
    check(
        "ClientSpanWithHttpHost",
        &client(json!({"http.method": "GET", "net.peer.name": "bar.com", "http.host": "foo.com"})),
        &json!({"/name": "foo.com"}),
    );
    check(
        "ClientSpanWithoutHttpHost",
        &client(json!({"http.method": "GET", "net.peer.name": "bar.com"})),
        &json!({"/name": "bar.com"}),
    );
    check(
        "ClientSpanWithRpcHost",
        &client(json!({"rpc.service": "com.foo.AnimalService", "net.peer.name": "bar.com"})),
        &json!({"/name": "com.foo.AnimalService"}),
    );
    check(
        "ClientSpanWithAwsRemoteServiceName",
        &client(json!({"aws.remote.service": "PaymentService"})),
        &json!({"/name": "PaymentService", "/type": "subsegment"}),
    );
    check(
        "AwsSdkSpanWithAwsRemoteServiceName",
        &client(
            json!({"rpc.system": "aws-api", "rpc.service": "x", "aws.remote.service": "AWS.SDK.DynamoDb"}),
        ),
        &json!({"/name": "DynamoDb", "/namespace": "aws"}),
    );
    for (name, kind, service) in [
        ("ProducerSpanWithAwsRemoteServiceName", "producer", "ProducerService"),
        ("ConsumerSpanWithAwsRemoteServiceName", "consumer", "ConsumerService"),
    ] {
        check(
            name,
            &json!({"kind": kind, "attributes": {"aws.remote.service": service}}),
            &json!({"/name": service, "/type": "subsegment", "/namespace": "remote"}),
        );
    }
    check(
        "ServerSpanWithAwsLocalServiceName",
        &json!({"kind": "server", "attributes": {"aws.local.service": "PaymentLocalService"}}),
        &json!({"/name": "PaymentLocalService", "/type": null}),
    );
    check(
        "SpanWithInvalidTraceIdWithoutTimestampValidation, SpanWithExpiredTraceIdWithoutTimestampValidation",
        &json!({"kind": "producer", "attributes": {"aws.remote.service": "ProducerService"}}),
        &json!({"/name": "ProducerService", "/type": "subsegment", "/trace_id": support::TRACE, "/id": support::SPAN}),
    );
}

#[test]
fn server_spans_and_roots() {
    let failing = json!({
        "http.method": "POST", "http.url": "https://api.example.org/api/locations", "http.status_code": 500,
        "http.status_text": "java.lang.NullPointerException", "enduser.id": "testuser",
    });
    check(
        "ServerSpanWithInternalServerError",
        &json!({"kind": "server", "name": "/api/locations", "status": ["error", ""], "attributes": failing}),
        &json!({
            "/name": "signup_aggregator", "/cause": "*", "/fault": true, "/user": "testuser", "/type": null,
            "/parent_id": support::PARENT,
        }),
    );
    check(
        "ServerSpanWithThrottle",
        &json!({"kind": "server", "status": ["error", ""], "attributes":
            merged(&[&failing, &json!({"http.status_code": 429})])}),
        &json!({"/cause": "*", "/fault": false, "/error": true, "/throttle": true}),
    );
    check(
        "ServerSpanNoParentId",
        &json!({"kind": "server", "root": true}),
        &json!({"/parent_id": null, "/type": null}),
    );
    check(
        "SpanNoParentId",
        &json!({"kind": "producer", "root": true}),
        &json!({"/parent_id": null, "/type": null}),
    );
    check(
        "SpanWithNoStatus",
        &json!({"kind": "server", "name": ""}),
        &json!({"/type": null, "/id": support::SPAN}),
    );
    check(
        "ServerSpanWithNilAttributes",
        &json!({"kind": "server", "status": ["error", "OK"]}),
        &json!({"/cause": "*", "/fault": true, "/name": "signup_aggregator"}),
    );
}

#[test]
fn fix_segment_name() {
    let check = |name: &str, expect: &str| assert_eq!(sanitize_name(name), expect);
    check("EP @ test_15.testing-d\u{f6}main.org#GO", "EP @ test_15.testing-d\u{f6}main.org#GO");
    check("<subDomain>.example.com,1413", "subDomain.example.com1413");
    check("<>", "span");
    // Ours: X-Ray's limit is 200 characters, not bytes.
    check(&"\u{f6}".repeat(300), &"\u{f6}".repeat(200));
    check("GET /users/{id}?x=\"1\"", "GET /users/idx=1");
    check("  ", "span");
}

#[test]
fn annotations_and_metadata() {
    let two = json!({"kind": "server", "attributes": {"attr1@1": "val1", "attr2@2": "val2"}});
    check(
        "SpanWithAttributesDefaultNotIndexed",
        &two,
        &json!({
            "/annotations": null, "/metadata/default/attr1@1": "val1", "/metadata/default/attr2@2": "val2",
            "/metadata/default/otel.resource.string.key": "string", "/metadata/default/otel.resource.int.key": 10,
            "/metadata/default/otel.resource.double.key": 5.0, "/metadata/default/otel.resource.bool.key": true,
            "/metadata/default/otel.resource.map.key": {"key1": 1, "key2": "value"},
            "/metadata/default/otel.resource.array.key": ["foo", "bar"],
        }),
    );
    check(
        "SpanWithResourceNotStoredIfSubsegment",
        &json!({"kind": "client", "attributes": {"attr1@1": "val1"}}),
        &json!({"/metadata/default": {"attr1@1": "val1"}}),
    );
    let of_resource = [
        "otel.resource.string.key",
        "otel.resource.int.key",
        "otel.resource.double.key",
        "otel.resource.bool.key",
        "otel.resource.map.key",
        "otel.resource.array.key",
    ];
    check_with(
        "ResourceAttributesNotIndexedIfSubsegment",
        &indexing(&of_resource),
        &json!({"kind": "client"}),
        &json!({"/annotations": null, "/metadata": null}),
    );
    check_with(
        "SpanWithAttributesPartlyIndexed",
        &indexing(&["attr1@1", "not_exist"]),
        &two,
        &json!({"/annotations": {"attr1_1": "val1"}, "/metadata/default/attr2@2": "val2"}),
    );
    check(
        "SpanWithAnnotationsAttribute",
        &json!({"kind": "server", "attributes": {
            "attr1@1": "val1", "attr2@2": "val2", "aws.xray.annotations": ["attr2@2", "not_exist"],
        }}),
        &json!({
            "/annotations": {"attr2_2": "val2"}, "/metadata/default/attr1@1": "val1",
            "/metadata/default/aws.xray.annotations": null,
        }),
    );
    check_with(
        "SpanWithAttributesAllIndexed",
        &Options { annotate_all: true, ..indexing(&["attr1@1", "not_exist"]) },
        &two,
        &json!({"/annotations/attr1_1": "val1", "/annotations/attr2_2": "val2"}),
    );
    check(
        "SpanWithAttributesSegmentMetadata",
        &json!({"kind": "server", "attributes": {
            "attr1@1": "val1",
            "aws.xray.metadata.default": "{\"custom_key\": \"custom_value\"}",
            "aws.xray.metadata.http": "{\"connection\":{\"reused\":false,\"was_idle\":false}}",
            "aws.xray.metadata.non-xray-sdk": "retain-value",
        }}),
        &json!({
            "/metadata#": 2, "/metadata/default/custom_key": "custom_value",
            "/metadata/http/connection": {"reused": false, "was_idle": false},
            "/metadata/default/aws.xray.metadata.non-xray-sdk": "retain-value",
            "/metadata/default/aws.xray.metadata.default": null, "/metadata/default/aws.xray.metadata.http": null,
        }),
    );
    let kept = json!({
        "/metadata/default/otel.resource.map.key": {"key1": 1, "key2": "value"},
        "/metadata/default/otel.resource.array.key": ["foo", "bar"], "/annotations#": 4,
    });
    check_with(
        "ResourceAttributesCanBeIndexed",
        &indexing(&of_resource),
        &json!({"kind": "server"}),
        &merged(&[
            &kept,
            &json!({
                "/annotations/otel_resource_string_key": "string", "/annotations/otel_resource_int_key": 10,
                "/annotations/otel_resource_double_key": 5.0, "/annotations/otel_resource_bool_key": true,
            }),
        ]),
    );
    check_with(
        "ResourceAttributesCanBeIndexedWithAllowDot",
        &Options { keep_dots: true, ..indexing(&of_resource) },
        &json!({"kind": "server"}),
        &merged(&[&kept, &json!({"/annotations/otel.resource.string.key": "string"})]),
    );
    check(
        "FilteredAttributesMetadata",
        &json!({"kind": "server", "resource": {}, "attributes": {
            "string_value": "value", "int_value": 123, "float_value": 456.78, "bool_value": false, "null_value": null,
            "array_value": [12, 34, 56], "map_value": {"value1": -987.65, "value2": true},
        }}),
        &json!({
            "/metadata/default": {
                "string_value": "value", "int_value": 123, "float_value": 456.78, "bool_value": false,
                "array_value": [12, 34, 56], "map_value": {"value1": -987.65, "value2": true},
            },
        }),
    );
}

#[test]
fn special_attributes() {
    let case = json!({"kind": "server", "attributes": {"aws.operation": "test", "rpc.method": "other"}});
    let listed = indexing(&["aws.operation", "rpc.method"]);
    check_with(
        "SpanWithSpecialAttributesAsListed",
        &listed,
        &case,
        &json!({"/annotations/aws_operation": "test", "/annotations/rpc_method": "other"}),
    );
    check_with(
        "SpanWithSpecialAttributesAsListedWithAllowDot",
        &Options { keep_dots: true, ..listed.clone() },
        &case,
        &json!({"/annotations/aws.operation": "test", "/annotations/rpc.method": "other"}),
    );
    check_with(
        "SpanWithSpecialAttributesAsListedAndIndexAll",
        &Options { annotate_all: true, ..listed },
        &case,
        &json!({"/annotations/aws_operation": "test", "/annotations/rpc_method": "other"}),
    );
    check_with(
        "SpanWithSpecialAttributesNotListedAndIndexAll",
        &Options { annotate_all: true, ..Options::collector() },
        &case,
        &json!({"/annotations/aws_operation": null, "/annotations/rpc_method": null}),
    );
}

#[test]
fn origins() {
    let check = |name, resource: Json, expect: Json| {
        support::check(
            name,
            &Options::collector(),
            json!({"kind": "server", "resource": resource}),
            &json!({"/origin": expect}),
        );
    };
    let aws = |platform| json!({"cloud.provider": "aws", "cloud.platform": platform});
    check("OriginNotAws", json!({"cloud.provider": "gcp", "host.id": "instance-123"}), Json::Null);
    check("OriginEc2", aws("aws_ec2"), json!("AWS::EC2::Instance"));
    check("OriginEcs", aws("aws_ecs"), json!("AWS::ECS::Container"));
    for (name, launch_type, origin) in
        [("OriginEcsEc2", "ec2", "AWS::ECS::EC2"), ("OriginEcsFargate", "fargate", "AWS::ECS::Fargate")]
    {
        let launched = merged(&[&aws("aws_ecs"), &json!({"aws.ecs.launchtype": launch_type})]);
        check(name, launched, json!(origin));
    }
    check("OriginEb", aws("aws_elastic_beanstalk"), json!("AWS::ElasticBeanstalk::Environment"));
    check("OriginEks", aws("aws_eks"), json!("AWS::EKS::Container"));
    check("OriginAppRunner", aws("aws_app_runner"), json!("AWS::AppRunner::Service"));
    check("OriginBlank", json!({"cloud.provider": "aws"}), Json::Null);
    check(
        "OriginPrefersInfraService",
        merged(&[
            &aws("aws_ec2"),
            &json!({"k8s.cluster.name": "cluster-123", "container.name": "container-123",
            "service.instance.id": "service-123"}),
        ]),
        json!("AWS::EC2::Instance"),
    );
}

#[test]
fn tables_and_log_groups() {
    let tables = |names: Json| json!({"kind": "client", "attributes": {"aws.dynamodb.table_names": names}});
    check(
        "SpanWithSingleDynamoDBTableHasTableName",
        &tables(json!(["table1"])),
        &json!({
            "/aws/table_name": "table1", "/aws/table_names": null,
            "/metadata/default/aws.dynamodb.table_names": ["table1"],
        }),
    );
    check(
        "SpanWithMultipleDynamoDBTablesHasTableNames",
        &tables(json!(["table1", "table2"])),
        &json!({
            "/aws/table_name": null, "/aws/table_names": ["table1", "table2"],
            "/metadata/default/aws.dynamodb.table_names": ["table1", "table2"],
        }),
    );
    for (name, groups) in [
        ("SegmentWithLogGroupsFromConfig", vec!["my-logGroup-1"]),
        ("SegmentWith2LogGroupsFromConfig", vec!["my-logGroup-1", "my-logGroup-2"]),
    ] {
        let log_groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let expect: Json = groups.iter().map(|group| json!({"log_group": group})).collect();
        check_with(
            name,
            &Options { log_groups, ..Options::collector() },
            &json!({"kind": "client"}),
            &json!({"/aws/cloudwatch_logs": expect}),
        );
    }
}
