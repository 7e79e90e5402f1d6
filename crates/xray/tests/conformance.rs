//! What the Collector's `awsxrayexporter` tests assert, case by case under the names they have there, on spans of our
//! own writing. Departures on purpose are marked `Departs:`; the cases that do not apply are in the crate's README.

mod aws;
mod cause;
mod http;
mod local_root;
mod segment;
mod sql_service_links;
mod stack;

use serde_json::{Value as Json, json};

/// The resource of the exporter's segment tests.
fn default_resource() -> Json {
    json!({
        "service.name": "signup_aggregator", "service.version": "semver:1.1.4",
        "container.name": "signup_aggregator", "container.image.name": "otel/signupaggregator", "container.image.tag": "v1",
        "k8s.cluster.name": "production", "k8s.namespace.name": "default", "k8s.deployment.name": "signup_aggregator",
        "k8s.pod.name": "signup_aggregator-x82ufje83",
        "cloud.provider": "aws", "cloud.account.id": "123456789", "cloud.region": "us-east-1",
        "cloud.availability_zone": "us-east-1c",
        "string.key": "string", "int.key": 10, "double.key": 5.0, "bool.key": true,
        "map.key": {"key1": 1, "key2": "value"}, "array.key": ["foo", "bar"],
    })
}
