"""What the benches share: a system started by `up --ephemeral`, a load, and /proc. Linux, Python 3 alone."""

import contextlib
import http.client
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("THROUGHLINE", str(ROOT / "target/release/throughline"))
#: The processes of the demonstration: the console is the tool that watches them.
SERVICES = ["frontend-proxy", "gateway", "activities", "users"]
#: A developer's exporters and sampling are not the bench's.
FOREIGN = ("OTEL_", "HONEYCOMB_", "CONSOLE_")


@contextlib.contextmanager
def system(**environment):
    """A system of its own; gives what `up --ephemeral` printed, and how long it took in `ready_seconds`."""
    if not os.access(BINARY, os.X_OK):
        sys.exit(f"{BINARY} is missing: cargo build --release --workspace")
    env = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)} | environment
    started = time.monotonic()
    process = subprocess.Popen(
        [BINARY, "up", "--ephemeral"], cwd=ROOT, env=env, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )
    try:
        line = process.stdout.readline()
        if not line:
            sys.exit("`throughline up --ephemeral` did not become ready; run it by hand to see why")
        yield json.loads(line) | {"ready_seconds": time.monotonic() - started}
    finally:
        process.stdin.close()
        process.wait(60)


def get(url):
    """One request; status and JSON."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, json.loads(body)


def load(url, requests, in_flight):
    """`requests` GETs over `in_flight` kept connections; gives the trace ids of the answers. Any failure ends it."""
    parts = urllib.parse.urlsplit(url)
    todo, lock, ids, failures = iter(range(requests)), threading.Lock(), [], []

    def work():
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        while True:
            with lock:
                if failures or next(todo, None) is None:
                    return
            connection.request("GET", parts.path)
            answer = connection.getresponse()
            body = answer.read()
            with lock:
                if answer.status != 200:
                    failures.append(f"{answer.status} {body[:200]}")
                ids.append((answer.headers.get("traceresponse") or "-").split("-")[1])

    threads = [threading.Thread(target=work) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures or len(ids) != requests:
        sys.exit(f"the load failed: {failures[:1] or 'a connection broke'}")
    return ids


def family(pid):
    """The process and all below it (Postgres serves each connection by a process of its own)."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                todo += map(int, task.read_text().split())
    return found


def cpu_seconds(pid):
    """User and kernel time of the process, its children (the ended ones too) included."""
    total = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            # Fields 14 to 17 of proc(5): utime, stime, cutime, cstime; the name and the pid are cut off here.
            total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def memory(pid):
    """(RSS, PSS) in MB: RSS counts a shared page once per process, PSS shares it out."""
    rss = pss = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Rss:"):
                    rss += int(line.split()[1])
                elif line.startswith("Pss:"):
                    pss += int(line.split()[1])
    return rss / 1024, pss / 1024
