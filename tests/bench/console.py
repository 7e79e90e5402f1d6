"""A console of one's own, and spans for it: what `query` and `ingest` share. Linux, Python 3 alone."""

import http.client
import json
import os
import pathlib
import random
import socket
import struct
import subprocess
import sys
import time

from system import BINARY, FOREIGN

SERVICES = ["gateway", "activities", "users"]
USERS = 10_000
ROUTES = [f"/api/route-{n}" for n in range(40)]
METHODS = ["GET", "GET", "GET", "POST"]
NAMES = ["GET", "SELECT posts", "SELECT users", "INSERT posts", "compose", "verify token"]
REGIONS = [f"region-{n}" for n in range(6)]
VERSIONS = [f"1.{n}" for n in range(20)]
START = 1_700_000_000
RANGE = 7_200


# -- protobuf by hand: a library takes longer than the console --


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def attribute(key, value):
    any_value = b"\x18" + varint(value) if isinstance(value, int) else field(1, value.encode())
    return field(1, key.encode()) + field(2, any_value)


class Attributes(dict):
    """Encoded once each."""

    def __missing__(self, pair):
        self[pair] = field(9, attribute(*pair))
        return self[pair]


RESOURCES = [field(1, field(1, attribute("service.name", service)) + field(1, attribute("host.name", f"{service}-1"))) for service in SERVICES]


def requests(count, batch, row=None, seed=1):
    """Export requests of `batch` spans each, `count` in all: traces of ten spans with ids of their own; the slow ones have causes: a
    version, a region, some users. `row` is called with the fields of each span."""
    rng = random.Random(seed)
    encoded = Attributes()
    held = [[] for _ in SERVICES]
    for number in range(count):
        if number % 10 == 0:
            trace = struct.pack(">QQ", START << 32 | rng.getrandbits(32), rng.getrandbits(63) + 1)
            user = f"user-{rng.randrange(USERS)}"
            begin = START * 10**9 + rng.randrange(RANGE * 10**9 - 10**9)
            version, region, route, method = rng.choice(VERSIONS), rng.choice(REGIONS), rng.choice(ROUTES), rng.choice(METHODS)
            slow = 8 if version == "1.7" and region == "region-3" else 1
        service = number % 3
        duration = int(rng.lognormvariate(15, 0.8)) * slow
        start = begin + rng.randrange(10**8)
        status = 500 if rng.random() < 0.02 else 200
        rows = rng.randrange(100)
        name = f"{method} {route}" if number % 10 == 0 else NAMES[number % 6]
        kind = 2 if number % 3 == 0 else 3
        parent = None if number % 10 == 0 else number // 10 * 10 + 1
        pairs = {
            "app.user_id": user, "http.route": route, "http.request.method": method, "http.response.status_code": status,
            "cloud.region": region, "deployment.version": version, "db.rows": rows,
        }
        attributes = b"".join(encoded[pair] for pair in pairs.items())
        held[service].append(span(trace, number + 1, parent, name, kind, start, duration, attributes, status == 500))
        if row:
            row(start, duration, SERVICES[service], name, "server" if kind == 2 else "client", *pairs.values())
        if (number + 1) % batch == 0 or number == count - 1:
            yield request(held)
            held = [[] for _ in SERVICES]


def span(trace, number, parent, name, kind, start, duration, attributes, failed):
    return field(2, b"".join((
        b"\x0a\x10", trace, b"\x12\x08", struct.pack(">Q", number),
        b"" if parent is None else b"\x22\x08" + struct.pack(">Q", parent),
        field(5, name.encode()), b"\x30", bytes([kind]), b"\x39", struct.pack("<Q", start), b"\x41", struct.pack("<Q", start + duration),
        attributes, b"\x7a\x02\x18\x02" if failed else b"",
    )))


def request(by_service):
    return b"".join(field(1, resource + field(2, b"".join(spans))) for resource, spans in zip(RESOURCES, by_service) if spans)


# -- the console --


class Console:
    def __init__(self, folder):
        if not os.access(BINARY, os.X_OK):
            sys.exit(f"{BINARY} is missing: cargo build --release --workspace")
        self.port, self.otlp, grpc, xray = free_ports(4)
        environment = {
            "LISTEN": f"127.0.0.1:{self.port}", "CONSOLE_OTLP_HTTP": f"127.0.0.1:{self.otlp}", "CONSOLE_OTLP_GRPC": f"127.0.0.1:{grpc}",
            "CONSOLE_XRAY_DAEMON": f"127.0.0.1:{xray}", "CONSOLE_DATA_DIR": folder, "CONSOLE_MAX_BYTES": str(1 << 36), "CONSOLE_COLUMNS_MAX_BYTES": str(1 << 31),
        }
        env = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)} | environment
        self.started = time.perf_counter()
        self.process = subprocess.Popen([BINARY, "console"], env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        while True:
            try:
                self.connection.connect()
                break
            except OSError:
                if self.process.poll() is not None:
                    sys.exit("the console ended")
                time.sleep(0.002)
        self.sender = http.client.HTTPConnection("127.0.0.1", self.otlp, timeout=120)

    def read(self, path, body=None):
        """The answer's bytes. Over a connection of its own: one that was idle for long is closed."""
        self.connection.close()
        self.connection.connect()
        if body is None:
            self.connection.request("GET", path)
        else:
            self.connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = self.connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return content

    def ask(self, path, body=None):
        return json.loads(self.read(path, body))

    def send(self, body):
        for _ in range(100):
            self.sender.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
            answer = self.sender.getresponse()
            answer.read()
            if answer.status == 200:
                return
            time.sleep(0.1)
        sys.exit(f"not taken: {answer.status}")

    def memory(self):
        """MiB resident."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


def free_ports(count):
    listeners = [socket.socket() for _ in range(count)]
    for listener in listeners:
        listener.bind(("127.0.0.1", 0))
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
