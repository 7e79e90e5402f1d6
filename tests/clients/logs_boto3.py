"""boto3's CloudWatch Logs client, its paginators and its own exceptions."""

import json
import time

import boto3

from support import CONSOLE, get

logs = boto3.client("logs", endpoint_url=CONSOLE)
GROUP, STREAM = "boto3", "gateway/1"
TRACE = "68b329da9893e34099c7d8ad5cb9c940"

logs.create_log_group(logGroupName=GROUP, tags={"team": "x"})
try:
    logs.create_log_group(logGroupName=GROUP)
    raise AssertionError("the same group twice")
except logs.exceptions.ResourceAlreadyExistsException:
    pass
logs.put_retention_policy(logGroupName=GROUP, retentionInDays=7)
now = int(time.time() * 1000)
try:
    logs.put_log_events(logGroupName=GROUP, logStreamName=STREAM, logEvents=[{"timestamp": now, "message": "x"}])
    raise AssertionError("a stream that is not there")
except logs.exceptions.ResourceNotFoundException as error:
    assert error.response["Error"]["Message"] == "The specified log stream does not exist.", error.response
logs.create_log_stream(logGroupName=GROUP, logStreamName=STREAM)


def line(n):
    level = "ERROR" if n % 10 == 0 else "INFO"
    return json.dumps({"level": level, "service": "gateway", "n": n, "user_id": n % 3 or None, "trace_id": TRACE})


answer = logs.put_log_events(
    logGroupName=GROUP,
    logStreamName=STREAM,
    logEvents=[{"timestamp": now - 15 * 24 * 3_600_000, "message": "too old"}],
)
assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 1}, answer
for first in range(0, 2_000, 500):
    events = [{"timestamp": now + n // 10, "message": line(n)} for n in range(first, first + 500)]
    answer = logs.put_log_events(logGroupName=GROUP, logStreamName=STREAM, logEvents=events)
    assert "rejectedLogEventsInfo" not in answer, answer
try:
    unordered = [{"timestamp": now, "message": "b"}, {"timestamp": now - 1, "message": "a"}]
    logs.put_log_events(logGroupName=GROUP, logStreamName=STREAM, logEvents=unordered)
    raise AssertionError("events out of order were taken")
except logs.exceptions.InvalidParameterException as error:
    assert "chronological order" in error.response["Error"]["Message"], error.response

groups = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]
assert [(group["logGroupName"], group["retentionInDays"]) for group in groups] == [(GROUP, 7)], groups
assert logs.list_tags_for_resource(resourceArn=groups[0]["logGroupArn"])["tags"] == {"team": "x"}
stream = logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True)["logStreams"][0]
assert (stream["logStreamName"], stream["firstEventTimestamp"], stream["lastEventTimestamp"]) == (STREAM, now, now + 199), stream

# Forwards to the end, which is the token that was sent.
read, token = [], None
while True:
    page = logs.get_log_events(
        logGroupName=GROUP, logStreamName=STREAM, startFromHead=True, limit=700, **({"nextToken": token} if token else {})
    )
    read += [json.loads(event["message"])["n"] for event in page["events"]]
    if page["nextForwardToken"] == token:
        break
    token = page["nextForwardToken"]
assert read == list(range(2_000)), len(read)

pages = logs.get_paginator("filter_log_events").paginate(
    logGroupName=GROUP, filterPattern='{ $.level = "ERROR" && $.user_id = * }', PaginationConfig={"PageSize": 50}
)
found = [json.loads(event["message"])["n"] for page in pages for event in page["events"]]
assert found == [n for n in range(0, 2_000, 10) if n % 3], len(found)
try:
    logs.filter_log_events(logGroupName=GROUP, filterPattern="{ $.level = }")
    raise AssertionError("a bad pattern was taken")
except logs.exceptions.InvalidParameterException as error:
    assert "at character 12" in error.response["Error"]["Message"], error.response

# The same in the console's own view.
seen = get(f"/api/logs?group={GROUP}&level=error&limit=1000")["events"]
assert len(seen) == 200 and seen[0]["trace_id"] == TRACE and seen[0]["service"] == "gateway", seen[:1]
logs.delete_log_group(logGroupName=GROUP)
assert get(f"/api/logs?group={GROUP}")["events"] == []
try:
    logs.filter_log_events(logGroupName=GROUP)
    raise AssertionError("a deleted group")
except logs.exceptions.ResourceNotFoundException:
    pass
