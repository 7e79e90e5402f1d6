"""One trace through three makers: a caller with aws-xray-sdk, our gateway, and behind it a W3C service with opentelemetry-sdk."""

import http.server
import json
import os
import socket
import subprocess
import threading
import time
import urllib.request

import boto3
from aws_xray_sdk.core import xray_recorder
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from support import CONSOLE, eventually, get

OTLP = os.environ["OTLP_URL"] + "/v1/traces"

provider = TracerProvider(resource=Resource.create({"service.name": "w3c-python"}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=OTLP)))
tracer = provider.get_tracer("test")


class Activities(http.server.BaseHTTPRequestHandler):
    """Stands where our activities service stands; it knows traceparent only."""

    def do_GET(self):
        context = TraceContextTextMapPropagator().extract(dict((key.lower(), value) for key, value in self.headers.items()))
        with tracer.start_as_current_span("GET /activities/home", context=context, kind=SpanKind.SERVER):
            body = json.dumps({"activities": [], "next": None}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


activities = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Activities)
threading.Thread(target=activities.serve_forever, daemon=True).start()
port = free_port()
gateway = subprocess.Popen(
    [os.environ["THROUGHLINE_BIN"], "gateway"],
    env=os.environ
    | {
        "LISTEN": f"127.0.0.1:{port}",
        "ACTIVITIES_URL": f"http://127.0.0.1:{activities.server_port}",
        "USERS_URL": f"http://127.0.0.1:{free_port()}",
        "CONSOLE_OTLP_ENDPOINT": os.environ["OTLP_URL"],
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    },
    stdout=subprocess.DEVNULL,
)


def is_up():
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/health").status == 200
    except OSError:
        return False


try:
    eventually("the gateway is up", is_up)
    xray_recorder.configure(service="xray-python", sampling=False)
    segment = xray_recorder.begin_segment("xray-python")
    with xray_recorder.in_subsegment("gateway", namespace="remote") as call:
        header = f"Root={segment.trace_id};Parent={call.id};Sampled=1"
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/activities/home", headers={"X-Amzn-Trace-Id": header}
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
            assert f"Root={segment.trace_id}" in answer.headers["x-amzn-trace-id"]
    xray_recorder.end_segment()

    def whole():
        try:
            trace = get(f"/api/traces/{segment.trace_id}")
        except urllib.error.HTTPError:
            return None
        services = {span["service"] for span in trace["spans"]}
        ids = {span["span_id"] for span in trace["spans"]}
        has_orphans = any(span["parent_span_id"] and span["parent_span_id"] not in ids for span in trace["spans"])
        return trace if services == {"xray-python", "gateway", "w3c-python"} and not has_orphans else None

    trace = eventually("all three services in one trace without a gap", whole)
    assert trace["sources"] == ["otlp", "xray"], trace["sources"]
    by_id = {span["span_id"]: span for span in trace["spans"]}

    def way_up(span):
        services = []
        while span:
            if not services or services[-1] != span["service"]:
                services.append(span["service"])
            span = by_id.get(span["parent_span_id"])
        return services

    leaf = next(span for span in trace["spans"] if span["service"] == "w3c-python")
    assert way_up(leaf) == ["w3c-python", "gateway", "xray-python"], way_up(leaf)

    xray = boto3.client("xray", endpoint_url=CONSOLE)
    read = xray.batch_get_traces(TraceIds=[segment.trace_id])["Traces"]
    names = {json.loads(part["Document"])["name"] for part in read[0]["Segments"]}
    assert {"xray-python", "gateway", "w3c-python"} <= names, names
    found = xray.get_trace_summaries(
        StartTime=time.time() - 60,
        EndTime=time.time() + 60,
        FilterExpression='edge("xray-python", "gateway") AND edge("gateway", "w3c-python")',
    )["TraceSummaries"]
    assert [summary["Id"] for summary in found] == [segment.trace_id], found
finally:
    gateway.terminate()
    gateway.wait(10)
