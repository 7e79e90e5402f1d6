"""What the scripts share."""

import json
import os
import time
import urllib.request

CONSOLE = os.environ["CONSOLE_URL"]


def get(path):
    with urllib.request.urlopen(CONSOLE + path) as answer:
        return json.load(answer)


def eventually(what, ask):
    """Asks until the answer is something; UDP gives no other sign."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within 20 s: {what}; stats: {get('/api/stats')['xray']}")


def spans(trace_id, count):
    """The spans of a trace once there are `count`, by name."""

    def ask():
        try:
            trace = get(f"/api/traces/{trace_id}")
        except urllib.error.HTTPError:
            return None
        return trace if trace["span_count"] == count else None

    return {span["name"]: span for span in eventually(f"{count} spans of {trace_id}", ask)["spans"]}
