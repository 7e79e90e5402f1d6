"""Our CloudWatch Logs sink against moto's server, which is nobody's of ours: a gateway writes, boto3 reads."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import boto3
from moto.server import ThreadedMotoServer

moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
moto.start()
host, port = moto.get_host_and_port()
endpoint = f"http://{host}:{port}"
logs = boto3.client("logs", endpoint_url=endpoint, region_name="us-east-1")

# Nobody listens at 9: every call to a service fails, and the gateway says so in a line.
gateway = subprocess.Popen(
    [os.environ["THROUGHLINE_BIN"], "gateway"],
    env={
        "PATH": os.environ["PATH"],
        "LISTEN": "127.0.0.1:0",
        "ACTIVITIES_URL": "http://127.0.0.1:9",
        "USERS_URL": "http://127.0.0.1:9",
        "CLOUDWATCH_LOG_GROUP": "moto/test",
        "CLOUDWATCH_LOG_RETENTION_DAYS": "14",
        "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": endpoint,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=one",
    },
    stdout=subprocess.PIPE,
    text=True,
)
try:
    printed = []
    for line in gateway.stdout:
        printed.append(line)
        if "listening" in line:
            break
    address = f"http://127.0.0.1:{json.loads(printed[-1])['port']}"
    trace = f"{int(time.time()):08x}" + "ab" * 12
    request = urllib.request.Request(
        f"{address}/api/activities/home", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    )
    try:
        urllib.request.urlopen(request)
        sys.exit("the gateway has no activities to ask")
    except urllib.error.HTTPError as error:
        answered = error.headers["traceresponse"].split("-")[2]
    gateway.send_signal(signal.SIGTERM)
    printed += gateway.stdout.read().splitlines(keepends=True)
    assert gateway.wait(timeout=20) == 0
finally:
    gateway.kill()

(group,) = logs.describe_log_groups()["logGroups"]
assert (group["logGroupName"], group["retentionInDays"]) == ("moto/test", 14), group
(stream,) = logs.describe_log_streams(logGroupName="moto/test")["logStreams"]
assert stream["logStreamName"] == "gateway/one", stream
events = logs.get_log_events(logGroupName="moto/test", logStreamName="gateway/one", startFromHead=True)["events"]
messages = [event["message"] for event in events]
# What was written up to the shutdown is there as it was printed; threads that write at the same time have no order.
assert sorted(messages) == sorted(line.rstrip("\n") for line in printed[: len(messages)]), messages
assert any('"stopped"' in message for message in messages), messages[-1]
(failed,) = [json.loads(message) for message in messages if trace in message]
assert failed["xray_trace_id"] == f"1-{trace[:8]}-{trace[8:]}"
assert failed["route"] == "/api/activities/home", failed
assert failed["request_id"] == answered, "the span id that the answer names"
assert all(abs(event["timestamp"] / 1000 - time.time()) < 120 for event in events)
found = logs.filter_log_events(logGroupName="moto/test", filterPattern=f'"{trace}"')["events"]
assert len(found) == 1, found
print(f"{len(messages)} lines, one of them about {trace}")
