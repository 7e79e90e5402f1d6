//! The `aws` block and `origin`: where the service runs, and which AWS resource a call is about.

use super::Options;
use super::attributes::Attributes;
use crate::sampling::RULE_ATTRIBUTE;
use crate::segment::{Aws, Ec2, Ecs, Eks, ElasticBeanstalk, LogGroup, Sdk};
use crate::span::Value;

pub(super) fn aws(
    attributes: &mut Attributes,
    resource: &Attributes,
    options: &Options,
) -> (Option<Aws>, Option<&'static str>) {
    if resource.text("cloud.provider").is_some_and(|provider| provider != "aws") {
        return (None, None);
    }
    let platform = resource.text("cloud.platform").unwrap_or_default();
    let owned = |text: Option<&str>| text.map(str::to_owned);

    let operation = attributes.take_text(&["aws.operation", "rpc.method"]);
    let account = attributes.take_text(&["aws.account_id"]);
    let queue_url = attributes.take_text(&["aws.queue_url", "aws.queue.url"]);
    let table_name = attributes.take_text(&["aws.table_name", "aws.table.name"]);
    let mut table_names = texts(attributes.get("aws.dynamodb.table_names"));
    let single = if table_names.len() == 1 { table_names.pop() } else { None };
    let aws = Aws {
        operation: owned(operation),
        account_id: owned(account.or_else(|| resource.text("cloud.account.id"))),
        region: owned(attributes.take_text(&["aws.region"])),
        request_id: owned(attributes.take_text(&["aws.request_id", "aws.requestId"])),
        queue_url: owned(attributes.text("messaging.url").or(queue_url)),
        table_name: single.or_else(|| owned(table_name)),
        table_names,
        cloudwatch_logs: log_groups(resource, options),
        ec2: (platform == "aws_ec2" || resource.text("host.id").is_some()).then(|| ec2(resource)),
        ecs: (platform == "aws_ecs").then(|| ecs(resource)),
        eks: (platform == "aws_eks" || resource.text("k8s.cluster.name").is_some()).then(|| eks(resource)),
        elastic_beanstalk: (platform == "aws_elastic_beanstalk").then(|| beanstalk(resource)).flatten(),
        xray: Some(sdk(attributes, resource)),
    };
    (Some(aws), origin(platform, resource))
}

fn origin(platform: &str, resource: &Attributes) -> Option<&'static str> {
    resource.text("cloud.provider")?;
    Some(match platform {
        "aws_app_runner" => "AWS::AppRunner::Service",
        "aws_eks" => "AWS::EKS::Container",
        "aws_elastic_beanstalk" => "AWS::ElasticBeanstalk::Environment",
        "aws_ecs" => match resource.text("aws.ecs.launchtype") {
            Some("ec2") => "AWS::ECS::EC2",
            Some("fargate") => "AWS::ECS::Fargate",
            _ => "AWS::ECS::Container",
        },
        "aws_ec2" => "AWS::EC2::Instance",
        _ => return None,
    })
}

fn ec2(resource: &Attributes) -> Ec2 {
    Ec2 {
        instance_id: resource.text("host.id").map(str::to_owned),
        availability_zone: resource.text("cloud.availability_zone").map(str::to_owned),
        instance_size: resource.text("host.type").map(str::to_owned),
        ami_id: resource.text("host.image.id").map(str::to_owned),
    }
}

fn ecs(resource: &Attributes) -> Ecs {
    Ecs {
        container: resource.text("container.name").map(str::to_owned),
        container_id: resource.text("container.id").map(str::to_owned),
        container_arn: resource.text("aws.ecs.container.arn").map(str::to_owned),
        task_arn: resource.text("aws.ecs.task.arn").map(str::to_owned),
        task_family: resource.text("aws.ecs.task.family").map(str::to_owned),
        cluster_arn: resource.text("aws.ecs.cluster.arn").map(str::to_owned),
        availability_zone: resource.text("cloud.availability_zone").map(str::to_owned),
        launch_type: resource.text("aws.ecs.launchtype").map(str::to_owned),
    }
}

fn eks(resource: &Attributes) -> Eks {
    Eks {
        cluster_name: resource.text("k8s.cluster.name").map(str::to_owned),
        pod: resource.text("k8s.pod.name").map(str::to_owned),
        container_id: resource.text("container.id").map(str::to_owned),
    }
}

fn beanstalk(resource: &Attributes) -> Option<ElasticBeanstalk> {
    let deployment = resource.text("service.instance.id")?;
    Some(ElasticBeanstalk {
        environment_name: resource.text("service.namespace").map(str::to_owned),
        version_label: resource.text("service.version").map(str::to_owned),
        deployment_id: Some(deployment.parse().unwrap_or(0)),
    })
}

/// `opentelemetry for rust`, in the way of `X-Ray SDK for Java`; and the rule that X-Ray's console counts the trace to.
fn sdk(attributes: &mut Attributes, resource: &Attributes) -> Sdk {
    let name =
        resource.text("telemetry.sdk.name").map(|name| match resource.text("telemetry.sdk.language") {
            Some(language) if !name.ends_with(&format!("for {language}")) => format!("{name} for {language}"),
            _ => name.to_owned(),
        });
    let rule = attributes.take_text(&[RULE_ATTRIBUTE, "aws.xray.sampling_rule"]);
    Sdk {
        sdk: name,
        sdk_version: resource.text("telemetry.sdk.version").map(str::to_owned),
        auto_instrumentation: Some(resource.text("telemetry.auto.version").is_some()),
        sampling_rule_name: rule.map(str::to_owned),
    }
}

/// ARNs before names before the configuration.
fn log_groups(resource: &Attributes, options: &Options) -> Vec<LogGroup> {
    let arns = resource.get("aws.log.group.arns");
    if arns.is_some() {
        let with_name =
            |arn: String| LogGroup { log_group: arn.split(':').nth(6).map(str::to_owned), arn: Some(arn) };
        return parts(arns).into_iter().map(with_name).collect();
    }
    let names = match resource.get("aws.log.group.names") {
        Some(names) => parts(Some(names)),
        None => options.log_groups.clone(),
    };
    names.into_iter().map(|name| LogGroup { log_group: Some(name), arn: None }).collect()
}

/// A list of texts, or one text whose parts stand between `&`.
fn parts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Text(text)) => text.split('&').filter(|it| !it.is_empty()).map(str::to_owned).collect(),
        _ => texts(value),
    }
}

/// A list of texts, or one text.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Text(text)) => vec![text.to_string()],
        Some(Value::List(items)) => items.iter().filter_map(Value::as_text).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
