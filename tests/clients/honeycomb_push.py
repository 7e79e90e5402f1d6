"""`throughline queries push` against a stand-in for Honeycomb's API that takes only what the published API takes.

The schemas below are Honeycomb's OpenAPI document and the rules of its Terraform provider, as JSON Schema: unknown keys are refused,
every array has at most 100 elements, a panel needs both ids. No real account was asked.
"""

import http.server
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading

import jsonschema

QUERIES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../crates/console/queries")
OPS = "COUNT CONCURRENCY SUM AVG COUNT_DISTINCT MAX MIN P001 P01 P05 P10 P20 P25 P50 P75 P80 P90 P95 P99 P999 HEATMAP RATE_AVG RATE_SUM RATE_MAX".split()
FILTER_OPS = "= != > >= < <= starts-with does-not-start-with ends-with does-not-end-with exists does-not-exist contains does-not-contain in not-in".split()


def closed(required, **properties):
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def array(items):
    return {"type": "array", "maxItems": 100, "items": items}


TEXT = {"type": "string", "minLength": 1}
SCALAR = {"type": ["string", "number", "boolean"]}
FILTER = {
    **closed(["column", "op"], column=TEXT, op={"enum": FILTER_OPS}, value={}),
    "allOf": [
        {"if": {"properties": {"op": {"enum": ["exists", "does-not-exist"]}}}, "then": {"not": {"required": ["value"]}}, "else": {"required": ["value"]}},
        {"if": {"properties": {"op": {"enum": ["in", "not-in"]}}}, "then": {"properties": {"value": array(SCALAR)}}},
        {"if": {"properties": {"op": {"enum": ["=", "!=", ">", ">=", "<", "<="]}}}, "then": {"properties": {"value": SCALAR}}},
        {"if": {"properties": {"op": {"pattern": "with$|contain"}}}, "then": {"properties": {"value": {"type": "string"}}}},
    ],
}
COMBINATION = {"enum": ["AND", "OR"]}
CALCULATION = {
    **closed(["op"], op={"enum": OPS}, column=TEXT, name=TEXT, filters=array(FILTER), filter_combination=COMBINATION),
    "allOf": [
        {"if": {"properties": {"op": {"const": "CONCURRENCY"}}}, "then": {"not": {"required": ["column"]}}},
        {"if": {"properties": {"op": {"enum": ["COUNT", "CONCURRENCY"]}}}, "else": {"required": ["column"]}},
        {"if": {"required": ["filters"]}, "then": {"required": ["name"]}},
    ],
}
NAMED = closed(["name", "expression"], name=TEXT, expression=TEXT)
QUERY = closed(
    [],
    calculations=array(CALCULATION),
    calculated_fields=array(NAMED),
    formulas=array(NAMED),
    filters=array(FILTER),
    filter_combination=COMBINATION,
    breakdowns=array(TEXT),
    orders=array(closed([], column=TEXT, op={"enum": OPS}, order={"enum": ["ascending", "descending"]})),
    havings=array(closed(["calculate_op", "op", "value"], calculate_op={"enum": [op for op in OPS if op != "HEATMAP"]}, column=TEXT, op={"enum": ["=", "!=", ">", ">=", "<", "<="]}, value={"type": "number"})),
    limit={"type": "integer", "minimum": 1, "maximum": 1000},
    granularity={"type": "integer", "minimum": 0},
    time_range={"type": "integer", "minimum": 1},
    start_time={"type": "integer"},
    end_time={"type": "integer"},
    compare_time_offset_seconds={"enum": [1800, 3600, 7200, 28800, 86400, 604800, 2419200, 15724800]},
)
ANNOTATION = closed(["name", "query_id"], name={"type": "string", "minLength": 1, "maxLength": 320}, description={"type": "string", "maxLength": 1023}, query_id=TEXT)
POSITION = closed(
    ["x_coordinate", "y_coordinate", "width", "height"],
    x_coordinate={"type": "integer", "minimum": 0, "maximum": 11},
    y_coordinate={"type": "integer", "minimum": 0},
    width={"type": "integer", "minimum": 1, "maximum": 12},
    height={"type": "integer", "minimum": 1},
)
PANEL = closed(
    ["type", "query_panel"],
    type={"const": "query"},
    position=POSITION,
    query_panel=closed(["query_id", "query_annotation_id"], query_id=TEXT, query_annotation_id=TEXT, query_style={"enum": ["graph", "table", "combo"]}),
)
BOARD = closed(["name", "type"], name={"type": "string", "minLength": 1, "maxLength": 255}, description={"type": "string", "maxLength": 1024}, type={"const": "flexible"}, panels=array(PANEL))


def schema_of(method, path):
    if method == "POST" and re.fullmatch(r"/1/queries/[a-z0-9_-]+", path):
        return QUERY
    if re.fullmatch(r"/1/query_annotations/[a-z0-9_-]+" + ("/[a-z0-9]+" if method == "PUT" else ""), path):
        return ANNOTATION
    if re.fullmatch("/1/boards" + ("/[a-z0-9]+" if method == "PUT" else ""), path):
        return BOARD
    return None


class Recorder(http.server.BaseHTTPRequestHandler):
    requests = []
    made = {}
    fail_at = None

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        known = self.headers["x-honeycomb-team"] == "configuration-key" and self.path == "/1/auth"
        self.answer(200 if known else 401, {"team": {"slug": "cruddur"}, "environment": {"slug": "test"}})

    def change(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        schema = schema_of(self.command, self.path)
        try:
            assert self.headers["x-honeycomb-team"] == "configuration-key" and self.headers["content-type"] == "application/json"
            assert schema is not None, f"no such call: {self.command} {self.path}"
            jsonschema.validate(body, schema)
            if schema is ANNOTATION:
                assert body["query_id"] in self.made, "an annotation of no query"
            if schema is BOARD:
                panels = [panel["query_panel"] for panel in body["panels"]]
                assert all(panel["query_id"] in self.made and panel["query_annotation_id"] in self.made for panel in panels), "a panel of nothing"
                assert len({panel["query_id"] for panel in panels}) == len(panels), "the same query twice on one board"
                assert len({"position" in panel for panel in body["panels"]}) == 1, "all panels have a position, or none"
                assert all(panel["position"]["x_coordinate"] + panel["position"]["width"] <= 12 for panel in body["panels"])
        except (AssertionError, jsonschema.ValidationError) as error:
            self.requests.append(("refused", self.path, str(error)))
            return self.answer(422, {"status": 422, "error": str(error)})
        if self.fail_at is not None and len(self.requests) == Recorder.fail_at:
            Recorder.fail_at = None
            return self.answer(429, {"error": "rate limited"})
        new = f"id{len(self.made)}" if self.command == "POST" else self.path.rsplit("/", 1)[1]
        assert self.command == "POST" or new in self.made, "a change of nothing"
        self.made[new] = body
        self.requests.append((self.command, self.path.rsplit("/", 1)[0] if self.command == "PUT" else self.path, body))
        self.answer(200 if self.command == "PUT" else 201, {**body, "id": new})

    do_POST = do_PUT = change

    def log_message(self, *_):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = tempfile.mkdtemp()
    queries = shutil.copytree(QUERIES, os.path.join(folder, "queries"), ignore=shutil.ignore_patterns("*.lock"))
    count = len([name for name in os.listdir(queries) if name.endswith(".about.json")])
    environment = {
        "PATH": os.environ["PATH"],
        "HONEYCOMB_CONFIGURATION_KEY": "configuration-key",
        "HONEYCOMB_API_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "CONSOLE_QUERIES_DIR": queries,
    }

    def push(*options, fails=False):
        Recorder.requests.clear()
        done = subprocess.run([os.environ["THROUGHLINE_BIN"], "queries", "push", *options], env=environment, capture_output=True, text=True)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        assert not [request for request in Recorder.requests if request[0] == "refused"], Recorder.requests
        return [(method, path) for method, path, _ in Recorder.requests], done.stdout + done.stderr

    calls, text = push("--dry-run")
    assert calls == [] and f"would be created {2 * count + 1}" in text, (calls, text)
    assert not os.path.exists(os.path.join(queries, "honeycomb.lock"))

    # It is interrupted, and goes on where it ended.
    Recorder.fail_at = 4
    calls, text = push(fails=True)
    assert len(calls) == 4 and "too many requests" in text, (calls, text)
    calls, _ = push()
    assert len(calls) == 2 * count + 1 - 4, calls
    files = [json.load(open(os.path.join(queries, name))) for name in os.listdir(queries) if name.endswith(".json") and ".about" not in name]
    assert all(file in Recorder.made.values() for file in files), "a file is sent as it is"

    assert push()[0] == [], "again: nothing to do"

    about = os.path.join(queries, "slowest-sql.about.json")
    with open(about, "w") as file:
        json.dump({"title": "Slowest statements"}, file)
    assert push()[0] == [("PUT", "/1/query_annotations/__all__")], "a title changes without a new query"

    slowest = os.path.join(queries, "slowest-sql.json")
    query = json.load(open(slowest))
    with open(slowest, "w") as file:
        json.dump({**query, "limit": 7}, file)
    expect = [("POST", "/1/queries/__all__"), ("POST", "/1/query_annotations/__all__"), ("PUT", "/1/boards")]
    assert push()[0] == expect, "a query never changes: a new one takes its place on the board"

    environment["HONEYCOMB_CONFIGURATION_KEY"] = "wrong"
    assert "Configuration key" in push(fails=True)[1]
    shutil.rmtree(folder)
    print(f"{count} queries pushed, each request as Honeycomb's API has it; pushed again, nothing was")


main()
