"""A console on ClickHouse's own engine (chdb) against an ordinary one: over the same spans 500 random queries, what differs in their
boxes, service maps, traces, columns; and log lines.

chdb answers behind ClickHouse's HTTP interface, as far as the console speaks it; the table is the one that the Collector's
ClickHouse exporter makes. SEED=n repeats a run, SPECS=n changes their number.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from chdb import session

import specs
from specs import KEYS, SEED, SPANS, SPECS, alike, ask, make_box, make_spans, make_spec, send
from support import CONSOLE, eventually, get

# Apart from the spans of query_duckdb.py.
specs.START = 1_500_000_000
specs.TRACES = 8 << 100

# As exporter/clickhouseexporter/internal/sqltemplates/traces_table.sql has it, without codecs, indexes and TTL.
TABLE = """
CREATE TABLE otel.otel_traces (
    Timestamp DateTime64(9), TraceId String, SpanId String, ParentSpanId String, TraceState String,
    SpanName LowCardinality(String), SpanKind LowCardinality(String), ServiceName LowCardinality(String),
    ResourceAttributes Map(LowCardinality(String), String), ScopeName String, ScopeVersion String,
    SpanAttributes Map(LowCardinality(String), String), Duration UInt64,
    StatusCode LowCardinality(String), StatusMessage String,
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)),
    Links Nested (TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String))
) ENGINE = MergeTree PARTITION BY toDate(Timestamp)
PRIMARY KEY (ServiceName, SpanName, toDateTime(Timestamp)) ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp)
"""
# As logs_table.sql, in the same way.
LOGS = """
CREATE TABLE otel.otel_logs (
    Timestamp DateTime64(9), TimestampTime DateTime DEFAULT toDateTime(Timestamp), TraceId String, SpanId String, TraceFlags UInt8,
    SeverityText LowCardinality(String), SeverityNumber UInt8, ServiceName LowCardinality(String), Body String,
    ResourceSchemaUrl LowCardinality(String), ResourceAttributes Map(LowCardinality(String), String),
    ScopeSchemaUrl LowCardinality(String), ScopeName String, ScopeVersion LowCardinality(String),
    ScopeAttributes Map(LowCardinality(String), String), LogAttributes Map(LowCardinality(String), String)
) ENGINE = MergeTree PARTITION BY toDate(TimestampTime)
PRIMARY KEY (ServiceName, TimestampTime) ORDER BY (ServiceName, TimestampTime, Timestamp)
"""
# One SELECT takes some 20 ms, most of it to understand it; so ask two things at once, and keep the rest of the engine small.
AT_ONCE = 2
SETTINGS = {"compile_expressions": 0, "compile_aggregate_expressions": 0, "max_threads": 1}
BOXES = SPECS // 5
MAPS = SPECS // 20
# What the random queries leave out: each is a breakdown, and the column of a COUNT_DISTINCT and an AVG.
EXPRESSIONS = [
    "SWITCH($service.name, 'users', 1, 'gateway', true, $name)", "COALESCE($rows, $ratio, $http.route)", "MIN($rows, $ratio, 3)", "MAX($rows, $cached)",
    "IN($rows, 3, 7, 'render')", "AND($cached, NOT($error))", "OR($error, $rows > 10)", "$rows = $ratio", "$cached != $error", "$name < $http.route",
    "$rows < $duration_ms", "MOD($rows, 4)", "DIV($rows, $ratio)", "LOG10($duration_ms) * 2", "BUCKET($rows, 5)", "BUCKET($duration_ms, 10, 5, 40)",
    "INT($ratio * 10)", "FLOAT($cached)", "BOOL($rows)", "STRING($rows)", "CONCAT($rows, '-', $cached, $städte.name)", "STARTS_WITH($name, 'GET')",
    "ENDS_WITH($name, $http.route)", "CONTAINS($http.route, 'e')", "TO_LOWER($städte.name)", "LENGTH($städte.name)", "LENGTH($städte.name, 'chars')",
    "REG_MATCH($name, `^G.T\\b`)", "REG_COUNT($name, '[A-Z]')", "REG_VALUE($http.route, 'f.*')", "INT(EVENT_TIMESTAMP() / 100)", "INGEST_TIMESTAMP()",
    "IF($rows, 'a', $cached, $ratio)", "$städte.name + 1", "-$rows", "10 - $rows + 3", "EXISTS($trace.parent_id)",
]


def text(value):
    """As the exporter writes attributes."""
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, (str, int)) else repr(value).removesuffix(".0")


def seconds(nanos):
    return f"{nanos // 10**9}.{nanos % 10**9:09}"


def insert(db, table, rows):
    for at in range(0, len(rows), 500):
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows[at : at + 500])
        db.query(f"INSERT INTO otel.{table} FORMAT JSONEachRow {lines}")


def fill(db, spans):
    for name, value in SETTINGS.items():
        db.query(f"SET {name} = {value}")
    db.query("CREATE DATABASE otel")
    db.query(TABLE)
    rows = [
        {
            "Timestamp": seconds(s["time"]), "TraceId": f"{s['trace']:032x}", "SpanId": f"{s['span']:016x}",
            "ParentSpanId": f"{s['parent']:016x}" if s["parent"] else "", "SpanName": s["name"], "SpanKind": s["kind"].capitalize(),
            "ServiceName": s["service"], "ResourceAttributes": {"service.name": s["service"]},
            "SpanAttributes": {key: text(s[name]) for key, name in KEYS.items() if s[name] is not None},
            "Duration": s["duration"], "StatusCode": "Error" if s["error"] else "Unset",
            **({"Events.Timestamp": [seconds(s["time"])], "Events.Name": ["exception"], "Events.Attributes": [{"exception.type": s["exception"]}]} if s["exception"] else {}),
        }
        for s in spans
    ]
    insert(db, "otel_traces", rows)


def serve(db):
    """ClickHouse's HTTP interface in front of `db`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: apart, the second one waits some 40 ms for the first one's acknowledgement.
        wbufsize = -1

        def do_POST(self):
            sql = self.rfile.read(int(self.headers["content-length"])).decode()
            asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
            assert asked["database"] == "otel" and self.headers["x-clickhouse-user"] == "reader" and self.headers["x-clickhouse-key"] == "p@ss"
            try:
                status, body = 200, db.query(sql, asked["default_format"]).bytes()
            except Exception as error:
                status, body = 500, str(error).encode()
                if "UNKNOWN_TABLE" not in str(error):
                    print(f"{error}\n{sql}", file=sys.stderr)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def start(port, log):
    """A console on it; gives its address."""
    address = f"clickhouse://reader:p%40ss@127.0.0.1:{port}/otel"
    env = {**os.environ, "LISTEN": "127.0.0.1:0"}
    console = subprocess.Popen([os.environ["THROUGHLINE_BIN"], "console", "--store", address], env=env, stdout=log, stderr=log)

    def listens():
        assert console.poll() is None, open(log.name).read()
        lines = (line for line in open(log.name) if '"listening"' in line or " listening " in line)
        for line in lines:
            return f"http://127.0.0.1:{json.loads(line)['port']}"

    return console, eventually("the console listens", listens)


def differ(path, ours, theirs):
    """Where two answers differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if ours.keys() != theirs.keys():
            return f"{path}: {list(ours)} {list(theirs)}"
        found = (differ(f"{path}.{key}", ours[key], theirs[key]) for key in ours)
        return next(filter(None, found), None)
    if isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            return f"{path}: {len(ours)} and {len(theirs)} of them: {str(ours)[:300]} {str(theirs)[:300]}"
        found = (differ(f"{path}[{place}]", *pair) for place, pair in enumerate(zip(ours, theirs)))
        return next(filter(None, found), None)
    same = type(ours) is type(theirs) and ours == theirs or not isinstance(ours, bool) and not isinstance(theirs, bool) and alike(ours, theirs)
    return None if same else f"{path}: {ours!r} {theirs!r}"


def check(console, spec):
    ordinary, clickhouse = ask(spec), ask(spec, console)
    for answer in (ordinary, clickhouse):
        # `scanned` is whole segments here, and exact there.
        del answer["elapsed_ms"], answer["behind"], answer["scanned"]
        for row in answer["rows"]:
            # Spans that last as long as each other are in any order.
            row["exemplars"] = len(row["exemplars"])
    problem = differ("answer", clickhouse, ordinary)
    assert not problem, problem
    return bool(ordinary["matched"]), len(ordinary["rows"]) > 1


def check_box(console, spec, box):
    body = {"query": spec, "box": box}
    ordinary, clickhouse = (ask(body, base, "/api/query/compare") for base in (CONSOLE, console))
    problem = differ("difference", clickhouse, ordinary)
    assert not problem, f"{box}: {problem}"
    return ordinary["inside"] > 0 and ordinary["outside"] > 0 and any("below" in value for column in ordinary["columns"] for value in column["values"])


def check_map(console, start, end):
    ordinary, clickhouse = (read(base, f"/api/service-map?start={start}&end={end}") for base in (CONSOLE, console))
    problem = differ("map", clickhouse, ordinary)
    assert not problem, f"{start} to {end}: {problem}"
    return len(ordinary["edges"]) > 2


def read(base, path):
    with urllib.request.urlopen(base + path) as answer:
        return json.load(answer)


def refused(console, path, status):
    try:
        read(console, path)
        raise AssertionError(path)
    except urllib.error.HTTPError as error:
        detail = json.load(error)["detail"]
        assert error.code == status and detail, (path, error.code)
        return detail


def check_logs(console, db, spans):
    """Without the table a sentence; then its lines, of a trace, of a level, page by page."""
    trace = f"{spans[0]['trace']:032x}"
    assert "otel_logs" in refused(console, f"/api/logs?trace_id={trace}", 501)
    assert read(console, "/api/stats")["log_events"] is None
    db.query(LOGS)
    levels = [(0, "Warning", "warn"), (1, "TRACE", "trace"), (9, "INFO", "info"), (17, "ERROR", "error"), (24, "FATAL", "fatal")]
    rows = [
        {
            # Five of each instant, so that pages end within one.
            "Timestamp": seconds(specs.START * 10**9 + n // 5), "TraceId": trace if n % 3 else "", "SpanId": f"{n:016x}", "SeverityNumber": levels[n % 5][0],
            "SeverityText": levels[n % 5][1], "ServiceName": "users", "Body": f'it\'s line {n}' if n % 2 else json.dumps({"message": n}), "LogAttributes": {"app.number": str(n)},
        }
        for n in range(300)
    ]
    insert(db, "otel_logs", rows)
    assert read(console, "/api/stats")["log_events"] == 300
    of_trace = read(console, f"/api/logs?trace_id={trace}&limit=1000")["events"]
    assert sorted(line["fields"]["app.number"] for line in of_trace) == [n for n in range(300) if n % 3]
    assert {line["fields"]["app.number"]: line["level"] for line in of_trace} == {n: levels[n % 5][2] for n in range(300) if n % 3}
    [line] = read(console, f"/api/logs?span_id={42:016x}")["events"]
    assert line["message"] == '{"message": 42}' and line["fields"]["message"] == 42 and line["trace_id"] is None and line["service"] == "users", line
    assert len(read(console, "/api/logs?level=error,fatal&service=users")["events"]) == 100
    assert read(console, "/api/logs?service=it's nobody".replace(" ", "%20"))["events"] == []
    assert len(read(console, f"/api/logs?start={specs.START * 10**9 + 10}&end={specs.START * 10**9 + 12}")["events"]) == 10
    listed, path = [], "/api/logs?limit=7"
    while path:
        page = read(console, path)
        listed += page["events"]
        path = page["next"] and f"/api/logs?limit=7&before={page['next']}"
    assert len({line["id"] for line in listed}) == len(listed) == 300, len(listed)
    assert listed == sorted(listed, key=lambda line: -line["time_unix_nano"])
    for words, count in [
        ("LINE", 150), ("lin", 150), ("ine", 0), ('"line 3"', 1), ("line 3", 6), ('"lin"', 0), ("-line", 150), ("it's", 150), ("line -3", 144), ("message 42", 1),
    ]:
        found = read(console, f"/api/logs?limit=1000&q={urllib.parse.quote(words)}")["events"]
        assert len(found) == count, (words, len(found))
    refused(console, "/api/logs?q=%25[0-9]%25", 501)


def check_traces(console, spans):
    trace = f"{spans[0]['trace']:032x}"
    shown = [read(base, f"/api/traces/{trace}") for base in (CONSOLE, console)]
    for one in shown:
        for span in one["spans"]:
            span.pop("scope"), span.pop("resource")
        one["spans"].sort(key=lambda span: (span["start_unix_nano"], span["span_id"]))
    problem = differ("trace", shown[1], shown[0])
    assert not problem, problem
    span = shown[1]["spans"][0]["span_id"]
    assert read(console, f"/api/traces/{trace}/spans/{span}")["span_id"] == span
    # Page by page, all of them, each once.
    listed, path = [], "/api/traces?limit=200"
    while path:
        page = read(console, path)
        listed += page["traces"]
        path = f"/api/traces?limit=200&before={page['next']}" if page.get("next") else None
    assert len(listed) == len({one["trace_id"] for one in listed}) == len({span["trace"] for span in spans})
    assert listed == sorted(listed, key=lambda one: -one["start_unix_nano"])
    assert sum(one["span_count"] for one in listed) == SPANS and sum(one["error_count"] for one in listed) == sum(bool(s["error"]) for s in spans)
    types = {column["name"]: column["type"] for column in read(console, "/api/columns")["columns"]}
    expected = {"rows": "integer", "ratio": "float", "cached": "boolean", "http.route": "string", "duration_ms": "float"}
    assert types.items() >= expected.items(), types
    assert {found["value"] for found in read(console, "/api/columns/values?column=http.route&prefix=/F")["values"]} == {"/feed"}
    assert [found["name"] for found in read(console, "/api/datasets")["datasets"]] == ["activities", "gateway", "users"]
    stats = read(console, "/api/stats")
    assert stats["spans"] == SPANS and stats["received"] is None, stats
    for path, status in [("/jaeger/api/services", 501), ("/api/traces/stream", 501), ("/api/errors", 501), ("/api/errors/1", 501), (f"/api/traces/{1:032x}", 404)]:
        refused(console, path, status)


def main():
    spans = make_spans()
    before = get("/api/stats")["spans"]
    send(spans)
    assert get("/api/stats")["spans"] == before + SPANS
    everything = {"start_time": specs.START, "time_range": specs.RANGE}
    eventually("all spans in the columns", lambda: ask(everything)["matched"] == SPANS)
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "w") as log:
        db = session.Session(f"{folder}/db")
        fill(db, spans)
        process, console = start(serve(db), log)
        try:
            check_traces(console, spans)
            check_logs(console, db, spans)
            questions = []
            for expression in EXPRESSIONS:
                column = {"calculated_fields": [{"name": "x", "expression": expression.replace("'", '"')}]}
                calculations = [{"op": "COUNT"}, {"op": "COUNT_DISTINCT", "column": "x"}, {"op": "AVG", "column": "x"}, {"op": "RATE_AVG", "column": "rows"}]
                spec = {**everything, **column, "breakdowns": ["x"], "calculations": calculations, "limit": 1000}
                questions.append((expression, check, spec))
            random = [make_spec(number)[0] for number in range(SPECS)]
            questions += [(f"query {number}", check, spec) for number, spec in enumerate(random)]
            # All spans, with fields of every kind: numbers, texts and truths that are worked out.
            fields = {**everything, "calculated_fields": [{"name": name, "expression": expression} for name, (expression, _) in specs.FIELDS.items()]}
            boxes = [fields] * (BOXES // 2) + random[: BOXES // 2]
            questions += [(f"box {number}", check_box, spec, make_box(spec)) for number, spec in enumerate(boxes)]
            times = [sorted(specs.START + specs.rng.randrange(specs.RANGE) for _ in range(2)) for _ in range(MAPS)]
            questions += [(f"map {number}", check_map, *each) for number, each in enumerate(times)]

            def answer(question):
                name, check, *about = question
                try:
                    return check(console, *about)
                except Exception as error:
                    raise AssertionError(f"SEED={SEED}, {name}: {error}\n{json.dumps(about, ensure_ascii=False)}") from error

            with ThreadPoolExecutor(AT_ONCE) as pool:
                found = list(zip(questions, pool.map(answer, questions)))
        finally:
            process.terminate()
            process.wait()
            version = str(db.query("SELECT version()")).strip()
            db.close()
    # Questions that find nothing prove nothing.
    filled, tables = (sum(each) for each in zip(*(told for (name, *_), told in found if name.startswith("query"))))
    ranges, calls = (sum(told for (name, *_), told in found if name.startswith(kind)) for kind in ("box", "map"))
    assert filled > SPECS / 2 and tables > SPECS / 4, f"{filled} queries found spans, {tables} more than one group (SEED={SEED})"
    assert ranges >= BOXES // 4 and calls >= MAPS // 4, f"{ranges} boxes have ranges of numbers, {calls} maps calls (SEED={SEED})"
    print(f"{filled} of {SPECS} queries found spans, {tables} more than one group; of {BOXES} boxes {ranges} had spans on both sides and ranges, of {MAPS} maps {calls} calls")
    print(f"{SPECS} random queries over {SPANS} spans: the same answers by ClickHouse's engine {version} (SEED={SEED})")


main()
