use serde_json::{Value as Json, json};
use throughline_xray::Options;

use super::default_resource;
use crate::support::{self, merged};

/// The exporter's common input of these tests; `null` takes an attribute out.
fn check(name: &str, kind: &str, change: &Json, expect: &Json) {
    let mut attributes = merged(&[
        &json!({
            "http.method": "POST", "messaging.operation": "receive",
            "otel.resource.attributes": "service.name=myTest", "aws.span.kind": "LOCAL_ROOT",
            "aws.remote.service": "myRemoteService", "aws.remote.operation": "myRemoteOperation",
            "remoteTarget": "myTarget", "K8s.RemoteNamespace": "k8sRemoteNamespace",
            "aws.local.service": "myLocalService", "aws.local.operation": "awsLocalOperation",
            "myAnnotationKey": "myAnnotationValue", "aws.operation": "UpdateItem",
            "aws.account_id": "AWSAccountAttribute", "aws.region": "AWSRegionAttribute",
            "aws.request_id": "AWSRequestIDAttribute", "aws.queue_url": "AWSQueueURLAttribute",
            "aws.table_name": "TableName",
        }),
        change,
    ]);
    attributes.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let resource = merged(&[
        &default_resource(),
        &json!({
            "telemetry.sdk.name": "MySDK", "telemetry.sdk.version": "1.20.0", "telemetry.auto.version": "1.2.3",
        }),
    ]);
    let case = json!({
        "name": "destination operation", "kind": kind, "attributes": attributes, "resource": resource, "links": [{}],
    });
    let annotate = ["aws.remote.service", "myAnnotationKey"].map(str::to_owned).to_vec();
    support::check(name, &Options { annotate, ..Options::collector() }, case, expect);
}

fn two_documents() -> Json {
    let times = (1_700_000_000.0, 1_700_000_000.215);
    json!({
        "#": 2,
        "/0/type": "subsegment", "/0/name": "myRemoteService", "/0/id": support::SPAN, "/0/namespace": "remote",
        "/0/trace_id": support::TRACE, "/0/start_time": times.0, "/0/end_time": times.1,
        "/0/http/request/method": "POST",
        "/0/annotations": {"aws_remote_service": "myRemoteService", "myAnnotationKey": "myAnnotationValue"},
        "/0/metadata/default#": 8,
        "/0/aws/operation": "UpdateItem", "/0/aws/account_id": "AWSAccountAttribute",
        "/0/aws/region": "AWSRegionAttribute", "/0/aws/request_id": "AWSRequestIDAttribute",
        "/0/aws/queue_url": "AWSQueueURLAttribute", "/0/aws/table_name": "TableName",
        "/0/aws/xray": {"sdk": "MySDK", "sdk_version": "1.20.0", "auto_instrumentation": true},
        "/1/type": null, "/1/name": "myLocalService", "/1/parent_id": support::PARENT, "/1/namespace": null,
        "/1/trace_id": support::TRACE, "/1/start_time": times.0, "/1/end_time": times.1, "/1/http": null,
        "/1/annotations": {"myAnnotationKey": "myAnnotationValue"},
        "/1/metadata/default": {"otel.resource.attributes": "service.name=myTest"},
        "/1/aws/operation": null, "/1/aws/account_id": null, "/1/aws/region": null, "/1/aws/request_id": null,
        "/1/aws/queue_url": null, "/1/aws/table_name": null,
        "/1/aws/xray": {"sdk": "MySDK", "sdk_version": "1.20.0", "auto_instrumentation": true},
    })
}

#[test]
fn local_roots_that_call_become_two() {
    let consumer = merged(&[&two_documents(), &json!({"/0/links": null, "/1/links#": 1})]);
    let caller = merged(&[&two_documents(), &json!({"/0/links#": 1, "/1/links": null})]);
    check("LocalRootConsumer", "consumer", &json!({}), &consumer);
    check(
        "LocalRootConsumerAWSNamespace",
        "consumer",
        &json!({"rpc.system": "aws-api"}),
        &json!({"#": 2, "/0/namespace": "aws", "/1/namespace": null}),
    );
    check("LocalRootClient", "client", &json!({}), &caller);
    check("LocalRootProducer", "producer", &json!({}), &caller);
    check(
        "LocalRootClientAwsServiceMetrics",
        "client",
        &json!({"aws.remote.service": "AWS.SDK.SQS", "rpc.system": "aws-api", "rpc.service": "SQS"}),
        &json!({"/0/name": "SQS", "/0/namespace": "aws", "/0/type": "subsegment", "/1/name": "myLocalService"}),
    );
}

#[test]
fn the_call_hangs_under_its_service() {
    let case = json!({"kind": "client", "attributes": {"aws.span.kind": "LOCAL_ROOT"}});
    let documents = support::documents(&case, &Options::collector());
    assert_eq!(documents[0]["parent_id"], documents[1]["id"]);
    assert_ne!(documents[1]["id"], support::SPAN);
    // Twice the same span, twice the same documents: a repeated export does not double the node.
    assert_eq!(documents, support::documents(&case, &Options::collector()));
}

#[test]
fn local_roots_that_serve_stay_one() {
    let expect = |metadata: usize| {
        json!({
            "/type": null, "/name": "myLocalService", "/parent_id": support::PARENT, "/namespace": null, "/links#": 1,
            "/http/request/method": "POST", "/metadata/default#": metadata,
            "/annotations": {"aws_remote_service": "myRemoteService", "myAnnotationKey": "myAnnotationValue"},
            "/aws/operation": "UpdateItem",
        })
    };
    check("LocalRootServer", "server", &json!({}), &expect(30));
    check("LocalRootInternal", "internal", &json!({}), &expect(8));
}

#[test]
fn spans_that_are_no_local_root() {
    let own_name = json!({"/name": "destination operation", "/type": "subsegment", "/namespace": null});
    check(
        "NonLocalRootConsumerProcess",
        "consumer",
        &json!({"aws.span.kind": "Consumer", "aws.remote.service": null, "aws.remote.operation": null}),
        &merged(&[
            &own_name,
            &json!({"/links#": 1, "/annotations": {"myAnnotationKey": "myAnnotationValue"}, "/metadata/default#": 7}),
        ]),
    );
    check("NotLocalRootInternal", "internal", &json!({"aws.span.kind": "Internal"}), &own_name);
    for (name, kind, said) in [
        ("NotLocalRootConsumer", "consumer", "Consumer"),
        ("NotLocalRootClient", "client", "Client"),
        ("NotLocalRootProducer", "producer", "Producer"),
    ] {
        check(
            name,
            kind,
            &json!({"aws.span.kind": said}),
            &json!({"/name": "myRemoteService", "/type": "subsegment", "/namespace": "remote"}),
        );
    }
    check(
        "NotLocalRootServer",
        "server",
        &json!({"aws.span.kind": "Server", "aws.remote.service": null, "aws.remote.operation": null}),
        &json!({"/name": "myLocalService", "/type": null, "/namespace": null}),
    );
}
