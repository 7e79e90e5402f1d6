use serde_json::{Value as Json, json};
use throughline_xray::Options;

use crate::support;

fn check(name: &str, resource: &Json, attributes: &Json, expect: &Json) {
    check_with(name, &Options::collector(), resource, attributes, expect);
}

fn check_with(name: &str, options: &Options, resource: &Json, attributes: &Json, expect: &Json) {
    let case = json!({"kind": "client", "name": "call", "resource": resource, "attributes": attributes});
    support::check(name, options, case, expect);
}

const QUEUE: &str = "https://sqs.use1.amazonaws.com/Meltdown-Alerts";
const REQUEST: &str = "75107C82-EC8A-4F75-883F-4440B491B0AB";
const INSTANCE: &str = "i-00f7c0bcb26da2a99";

fn host() -> Json {
    json!({
        "cloud.provider": "aws", "cloud.account.id": "123456789", "cloud.availability_zone": "us-east-1c",
        "host.id": INSTANCE, "host.type": "m5.xlarge", "host.image.id": "ami-0123456789",
    })
}

fn ec2() -> Json {
    json!({
        "instance_id": INSTANCE, "availability_zone": "us-east-1c", "instance_size": "m5.xlarge",
        "ami_id": "ami-0123456789",
    })
}

#[test]
fn platforms() {
    let on =
        |platform: &str, more: &Json| support::merged(&[&host(), &json!({"cloud.platform": platform}), more]);
    check(
        "AwsFromEc2Resource",
        &on("aws_ec2", &json!({})),
        &json!({}),
        &json!({
            "/aws/account_id": "123456789", "/aws/ec2": ec2(), "/aws/ecs": null, "/aws/elastic_beanstalk": null,
            "/aws/eks": null,
        }),
    );
    check(
        "AwsFromEcsResource",
        &on(
            "aws_ecs",
            &json!({
                "container.name": "signup_aggregator-x82ufje83", "container.id": "0123456789A",
                "aws.ecs.container.arn": "arn:aws:ecs:us-west-2:1:container-instance/123",
                "aws.ecs.task.arn": "arn:aws:ecs:us-west-2:1:task/123", "aws.ecs.task.family": "family",
                "aws.ecs.cluster.arn": "arn:aws:ecs:us-west-2:1:cluster/my-cluster", "aws.ecs.launchtype": "fargate",
            }),
        ),
        &json!({}),
        &json!({
            "/aws/ecs": {
                "container": "signup_aggregator-x82ufje83", "container_id": "0123456789A",
                "container_arn": "arn:aws:ecs:us-west-2:1:container-instance/123",
                "task_arn": "arn:aws:ecs:us-west-2:1:task/123", "task_family": "family",
                "cluster_arn": "arn:aws:ecs:us-west-2:1:cluster/my-cluster",
                "availability_zone": "us-east-1c", "launch_type": "fargate",
            },
            "/aws/ec2": ec2(), "/aws/elastic_beanstalk": null, "/aws/eks": null,
        }),
    );
    check(
        "AwsFromBeanstalkResource",
        &json!({
            "cloud.provider": "aws", "cloud.platform": "aws_elastic_beanstalk", "cloud.account.id": "123456789",
            "service.namespace": "production", "service.instance.id": "232", "service.version": "4",
        }),
        &json!({}),
        &json!({
            "/aws/elastic_beanstalk": {"environment_name": "production", "version_label": "4", "deployment_id": 232},
            "/aws/ec2": null, "/aws/ecs": null, "/aws/eks": null,
        }),
    );
    check(
        "AwsFromEksResource",
        &on(
            "aws_eks",
            &json!({
                "k8s.cluster.name": "production", "k8s.pod.name": "my-deployment-65dcf7d447-ddjnl",
                "container.id": "0123456789A",
            }),
        ),
        &json!({}),
        &json!({
            "/aws/eks": {
                "cluster_name": "production", "pod": "my-deployment-65dcf7d447-ddjnl", "container_id": "0123456789A",
            },
            "/aws/ec2": ec2(), "/aws/ecs": null, "/aws/elastic_beanstalk": null,
        }),
    );
}

#[test]
fn calls() {
    let check = |name, attributes, expect| {
        check(name, &json!({"cloud.provider": "aws", "cloud.account.id": "123456789"}), &attributes, &expect);
    };
    check(
        "AwsWithAwsSqsResources",
        json!({"aws.operation": "SendMessage", "aws.account_id": "987654321", "aws.region": "us-east-2",
            "aws.queue_url": QUEUE, "employee.id": "XB477"}),
        json!({
            "/aws/operation": "SendMessage", "/aws/account_id": "987654321", "/aws/region": "us-east-2",
            "/aws/queue_url": QUEUE, "/metadata/default": {"employee.id": "XB477"},
        }),
    );
    check(
        "AwsWithRpcAttributes",
        json!({"rpc.method": "ListBuckets"}),
        json!({"/aws/operation": "ListBuckets"}),
    );
    check("AwsWithSqsAlternateAttribute", json!({"aws.queue.url": QUEUE}), json!({"/aws/queue_url": QUEUE}));
    check(
        "AwsWithAwsSqsSemConvAttributes",
        json!({"messaging.url": QUEUE}),
        json!({"/aws/queue_url": QUEUE, "/metadata/default/messaging.url": QUEUE}),
    );
    check(
        "AwsWithAwsDynamoDbResources",
        json!({"rpc.method": "IncorrectAWSSDKOperation", "aws.operation": "PutItem", "aws.request_id": REQUEST,
            "aws.table_name": "WIDGET_TYPES"}),
        json!({"/aws/operation": "PutItem", "/aws/request_id": REQUEST, "/aws/table_name": "WIDGET_TYPES"}),
    );
    check(
        "AwsWithDynamoDbAlternateAttribute",
        json!({"aws.table.name": "MyTable"}),
        json!({"/aws/table_name": "MyTable"}),
    );
    check(
        "AwsWithRequestIdAlternateAttribute",
        json!({"aws.requestId": "12345-request"}),
        json!({"/aws/request_id": "12345-request"}),
    );
    for names in [json!(["MyTable"]), json!("MyTable")] {
        check(
            "AwsWithDynamoDbSemConvAttributes, AwsWithDynamoDbSemConvAttributesString",
            json!({"aws.dynamodb.table_names": names}),
            json!({"/aws/table_name": "MyTable"}),
        );
    }
}

#[test]
fn sdks() {
    let check = |name, sdk: &str, language: &str, version: &str, expect: &str| {
        check(
            name,
            &json!({"telemetry.sdk.name": sdk, "telemetry.sdk.language": language, "telemetry.sdk.version": version}),
            &json!({}),
            &json!({"/aws/xray": {"sdk": expect, "sdk_version": version, "auto_instrumentation": false}}),
        );
    };
    check("JavaSDK", "opentelemetry", "java", "1.2.3", "opentelemetry for java");
    check("GoSDK", "opentelemetry", "go", "2.0.3", "opentelemetry for go");
    check("CustomSDK", "opentracing", "java", "2.0.3", "opentracing for java");
    check("SDKWithLanguageInName", "test for java", "java", "2.0.3", "test for java");
    let auto = json!({
        "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.language": "java", "telemetry.sdk.version": "1.2.3",
        "telemetry.auto.version": "3.4.5",
    });
    super::aws::check(
        "JavaAutoInstrumentation",
        &auto,
        &json!({}),
        &json!({"/aws/xray/auto_instrumentation": true}),
    );
}

#[test]
fn log_groups() {
    let check = |name, resource: Json, expect: Json| {
        check(name, &resource, &json!({}), &json!({"/aws/cloudwatch_logs": expect}));
    };
    let group = |name: &str| json!({"log_group": name});
    check(
        "LogGroups",
        json!({"aws.log.group.names": ["group1", "group2"]}),
        json!([group("group1"), group("group2")]),
    );
    let (one, two) = (
        "arn:aws:logs:us-east-1:123456789123:log-group:group1",
        "arn:aws:logs:us-east-1:123456789123:log-group:group2:*",
    );
    let arns = json!([{"log_group": "group1", "arn": one}, {"log_group": "group2", "arn": two}]);
    check("LogGroupsFromArns", json!({"aws.log.group.arns": [one, two]}), arns.clone());
    check(
        "LogGroupsFromStringResourceAttributes",
        json!({"aws.log.group.names": "group1"}),
        json!([group("group1")]),
    );
    for text in ["group1&group2", "group1&group2&", "group1&&group2", "&group1&group2"] {
        check(
            "LogGroupsFromStringResourceAttributes (separated)",
            json!({"aws.log.group.names": text}),
            json!([group("group1"), group("group2")]),
        );
    }
    check("LogGroupsWithAmpersandOnly", json!({"aws.log.group.names": "&"}), Json::Null);
    check("LogGroupsInvalidType", json!({"aws.log.group.names": 10}), Json::Null);
    check("LogGroupsFromArnString", json!({"aws.log.group.arns": one}), json!([arns[0]]));
    check("LogGroupsFromArnStrings", json!({"aws.log.group.arns": format!("{one}&{two}")}), arns);
    let log_groups = ["logGroup1", "logGroup2"].map(str::to_owned).to_vec();
    check_with(
        "LogGroupsFromConfig",
        &Options { log_groups, ..Options::collector() },
        &json!({}),
        &json!({}),
        &json!({"/aws/cloudwatch_logs": [group("logGroup1"), group("logGroup2")]}),
    );
}
