"""aws-xray-sdk for Python: segments, streamed subsegments, an exception, sampling by the daemon; boto3 reads them back."""

import os
import time

import boto3
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.sampling.connector import ServiceConnector

from support import CONSOLE, eventually, get, spans

xray = boto3.client("xray", endpoint_url=CONSOLE)
started = time.time()

# The smallest number of subsegments in memory, so that every finished one is sent on its own, before its segment.
xray_recorder.configure(service="sdk-python", sampling=False, streaming_threshold=0)
segment = xray_recorder.begin_segment("sdk-python")
segment.put_http_meta("url", "http://sdk-python/orders")
segment.put_http_meta("method", "GET")
segment.put_http_meta("status", 500)
segment.put_annotation("plan", "pro")
segment.set_user("alice")
with xray_recorder.in_subsegment("load"):
    with xray_recorder.in_subsegment("db.example.com", namespace="remote") as query:
        query.put_metadata("rows", 3)
try:
    with xray_recorder.in_subsegment("charge"):
        raise ValueError("no funds")
except ValueError:
    pass
segment.add_fault_flag()
xray_recorder.end_segment()

found = spans(segment.trace_id, 4)
assert {span["service"] for span in found.values()} == {"sdk-python"}, found
assert found["db.example.com"]["parent_span_id"] == found["load"]["span_id"]
assert found["load"]["parent_span_id"] == found["charge"]["parent_span_id"] == segment.id
assert found["charge"]["status"] == "error" and found["charge"]["status_message"] == "no funds"
assert found["charge"]["events"][0]["attributes"]["exception.type"] == "ValueError"
assert found["sdk-python"]["attributes"]["plan"] == "pro" and found["sdk-python"]["status"] == "error"
assert found["db.example.com"]["kind"] == "client"
assert len(get(f"/api/xray/traces/{segment.trace_id}")["segments"]) >= 3, "they were streamed"

# -- boto3 reads --
summaries = xray.get_trace_summaries(
    StartTime=started - 60,
    EndTime=time.time() + 60,
    FilterExpression='service("sdk-python") { fault } AND annotation.plan = "pro" AND user = "alice"',
)["TraceSummaries"]
assert [summary["Id"] for summary in summaries] == [segment.trace_id], summaries
assert summaries[0]["HasFault"] and summaries[0]["Http"]["HttpStatus"] == 500
assert summaries[0]["EntryPoint"]["Name"] == "sdk-python"
traces = xray.batch_get_traces(TraceIds=[segment.trace_id])["Traces"]
assert len(traces[0]["Segments"]) == 2, "the segment, and db.example.com inferred"
graph = xray.get_trace_graph(TraceIds=[segment.trace_id])["Services"]
assert {(node["Name"], node.get("Type")) for node in graph} == {
    ("sdk-python", "client"),
    ("sdk-python", None),
    ("db.example.com", "remote"),
}, graph
try:
    xray.get_trace_summaries(StartTime=started, EndTime=started + 1, FilterExpression="falt")
    raise AssertionError("a bad filter was taken")
except xray.exceptions.InvalidRequestException as error:
    assert "character 0" in error.response["Error"]["Message"], error.response

# -- sampling, as the SDK's own poller asks for it --
rule = {
    "RuleName": "sdk", "ResourceARN": "*", "Priority": 100, "FixedRate": 0.25, "ReservoirSize": 4, "ServiceName": "sdk-*",
    "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "*", "Version": 1,
}
xray.create_sampling_rule(SamplingRule=rule)
try:
    connector = ServiceConnector()
    daemon = os.environ["AWS_XRAY_DAEMON_ADDRESS"]
    host, port = daemon.rsplit(":", 1)
    connector.setup_xray_client(ip=host, port=port, client=None)
    rules = connector.fetch_sampling_rules()
    assert [rule.name for rule in rules] == ["sdk", "Default"], rules
    rules[0].increment_request_count()
    rules[0].increment_sampled_count()
    targets, freshness = connector.fetch_sampling_target(rules)
    assert targets["sdk"]["rate"] == 0.25 and targets["sdk"]["quota"] is not None and freshness, (targets, freshness)
    reported = xray.get_sampling_statistic_summaries()["SamplingStatisticSummaries"]
    assert any(report["RuleName"] == "sdk" and report["RequestCount"] == 1 for report in reported), reported

    # The recorder with the daemon's rules: nothing but the rule can sample all of these.
    xray.update_sampling_rule(SamplingRuleUpdate={"RuleName": "sdk", "FixedRate": 1.0})
    xray_recorder.configure(service="sdk-python", sampling=True, daemon_address=daemon)
    xray_recorder.sampler.start()
    eventually("the SDK has its rules", lambda: xray_recorder.sampler._cache.rules)
    for _ in range(20):
        sampled = xray_recorder.begin_segment("sdk-python", sampling=None)
        assert sampled.sampled
        xray_recorder.end_segment()
    assert sampled.aws["xray"]["sampling_rule_name"] == "sdk", sampled.aws
    spans(sampled.trace_id, 1)
finally:
    xray.delete_sampling_rule(RuleName="sdk")

# -- groups, and paging by boto3's own paginators --
group = xray.create_group(GroupName="sdk", FilterExpression='service("sdk-python")')["Group"]
try:
    assert xray.get_group(GroupARN=group["GroupARN"])["Group"]["FilterExpression"] == 'service("sdk-python")'
    names = [found["GroupName"] for page in xray.get_paginator("get_groups").paginate() for found in page["Groups"]]
    assert names == ["Default", "sdk"], names
    pages = xray.get_paginator("get_trace_summaries").paginate(
        StartTime=started - 60, EndTime=time.time() + 60, FilterExpression='group.name = "sdk"'
    )
    assert sum(len(page["TraceSummaries"]) for page in pages) == 21
    graph = xray.get_service_graph(StartTime=started - 60, EndTime=time.time() + 60, GroupName="sdk")["Services"]
    totals = [node["SummaryStatistics"]["TotalCount"] for node in graph if node["Name"] == "sdk-python" and node.get("Root")]
    assert totals == [21], graph
finally:
    xray.delete_group(GroupName="sdk")
unprocessed = xray.put_trace_segments(TraceSegmentDocuments=["{}"])["UnprocessedTraceSegments"]
assert unprocessed[0]["ErrorCode"] == "InvalidTraceId", unprocessed
