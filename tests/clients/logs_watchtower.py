"""watchtower: Python's handler of CloudWatch Logs, which makes its group and stream by itself; boto3 reads back."""

import json
import logging
import time

import boto3
import watchtower

from support import CONSOLE, get

client = boto3.client("logs", endpoint_url=CONSOLE)
TRACE = "68b329da9893e34099c7d8ad5cb9c940"
handler = watchtower.CloudWatchLogHandler(
    log_group_name="watchtower",
    log_stream_name="{program_name}/{logger_name}",
    boto3_client=client,
    send_interval=1,
    log_group_retention_days=14,
)
handler.formatter.add_log_record_attrs = ["levelname"]
logger = logging.getLogger("shop")
logger.setLevel(logging.INFO)
logger.propagate = False
logger.addHandler(handler)
# While it makes its stream it drops what is logged, lest it log about that: so one line first.
logger.info("hello")
handler.flush()
COUNT = 25_000  # more than two batches of 10,000
for n in range(COUNT):
    logger.info({"n": n, "trace_id": TRACE})
logger.error("text with an ü")
handler.flush()

group = client.describe_log_groups(logGroupNamePrefix="watchtower")["logGroups"][0]
assert group["retentionInDays"] == 14, group
stream = client.describe_log_streams(logGroupName="watchtower")["logStreams"][0]["logStreamName"]
assert stream.endswith("/shop"), stream
pages = client.get_paginator("filter_log_events").paginate(logGroupName="watchtower", startTime=int(time.time() * 1000) - 600_000)
messages = [event["message"] for page in pages for event in page["events"]]
numbers = sorted(json.loads(message)["n"] for message in messages if '"n"' in message)
assert numbers == list(range(COUNT)), (len(numbers), COUNT)
assert sum("text with an ü" in json.dumps(json.loads(message), ensure_ascii=False) for message in messages) == 1, messages[-1]
found = get(f"/api/logs?group=watchtower&trace_id={TRACE}&limit=5")["events"]
assert len(found) == 5 and found[0]["level"] == "info", found
handler.close()
