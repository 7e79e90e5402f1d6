"""pyrollbar as it is: an exception with its cause, a message, a log record; the console's API tells what came of them."""

import logging

import rollbar
from rollbar.logger import RollbarHandler

from support import CONSOLE, eventually, get

TRACE = "68b329da9893e34099c7d8ad5cb9c940"
rollbar.init(
    "any",
    environment="pyrollbar",
    endpoint=CONSOLE + "/api/1/",
    handler="blocking",
    code_version="abc123",
    root="/srv",
    exception_level_filters=[],
)


def group(title, count=1):
    def ask():
        groups = get("/api/errors?environment=pyrollbar")["groups"]
        return next((found for found in groups if found["title"] == title and found["count"] == count), None)

    found = eventually(f"{count} of {title}", ask)
    return get(f"/api/errors/{found['id']}")


def charge(amount):
    try:
        raise KeyError("card")
    except KeyError as cause:
        raise ValueError("no funds") from cause


for amount in (1, 2):
    try:
        charge(amount)
    except ValueError:
        uuid = rollbar.report_exc_info(
            extra_data={"trace_id": TRACE, "amount": amount},
            payload_data={"person": {"id": f"user-{amount}"}, "context": "POST /charge"},
        )
assert uuid, "the uuid of the answer"

error = group("ValueError: no funds", 2)
assert (error["group"]["people"], error["group"]["level"], error["group"]["context"]) == (2, "error", "POST /charge"), error
newest = error["occurrences"][0]
assert newest["uuid"] == uuid and newest["trace_id"] == TRACE and newest["person"] == "user-2", newest
assert newest["code_version"] == "abc123" and newest["custom"]["amount"] == 2, newest
classes = [trace["class"] for trace in newest["trace_chain"]]
assert classes == ["ValueError", "KeyError"], classes
last = newest["trace_chain"][0]["frames"][-1]
assert last["method"] == "charge" and last["file"].endswith("errors_pyrollbar.py") and "raise ValueError" in last["code"], last

rollbar.report_message("user 17 is gone", "warning")
rollbar.report_message("user 18 is gone", "warning")
assert group("user 18 is gone", 2)["group"]["level"] == "warning"

logger = logging.getLogger("shop")
logger.addHandler(RollbarHandler(access_token="any", environment="pyrollbar"))
logger.error("the shop is on fire")
assert group("the shop is on fire")["group"]["level"] == "error"

# By the pool of threads, as it is used by default, and what the client makes of a refusal.
rollbar.SETTINGS["handler"] = "thread"
rollbar.report_message("from a thread", "info")
assert group("from a thread")["group"]["status"] == "active"
