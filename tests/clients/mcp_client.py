"""`throughline mcp` asked by the official Python client, over standard input and output and over HTTP: what an assistant does to find a
slow user, the trace, its error and its log lines; that a wrong question is told and a long answer is bounded; and who may not ask."""

import asyncio
import contextlib
import json
import os
import re
import subprocess
import time

from httpx2 import AsyncClient
from mcp import ClientSession, StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
import boto3
import rollbar

from support import CONSOLE, spans

SERVICE = "mcp-shop"


def send():
    """Twenty quick requests and a slow one of user 'mallory', which fails. Gives the slow one's trace and span."""
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(os.environ["OTLP_URL"] + "/v1/traces")))
    tracer = provider.get_tracer("test")
    start = time.time_ns() - 60_000_000_000

    def request(number, user, milliseconds):
        attributes = {"app.user_id": user, "http.route": "/basket"}
        begin = start + number * 1_000_000
        span = tracer.start_span("GET /basket", kind=SpanKind.SERVER, attributes=attributes, start_time=begin)
        return span, begin + milliseconds * 1_000_000

    for number in range(20):
        span, end = request(number, f"user-{number % 4}", 5)
        span.end(end)
    span, end = request(20, "mallory", 900)
    span.set_status(Status(StatusCode.ERROR, "the basket is too heavy"))
    span.end(end)
    context = span.get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def report(trace_id):
    """The same failure as an item of Rollbar and as a log line."""
    rollbar.init("token", "test", endpoint=CONSOLE + "/api/1/", handler="blocking")
    rollbar.report_message("the basket is too heavy", "error", extra_data={"trace_id": trace_id})
    logs = boto3.client("logs", endpoint_url=CONSOLE)
    logs.create_log_group(logGroupName="mcp")
    logs.create_log_stream(logGroupName="mcp", logStreamName="1")
    line = json.dumps({"level": "error", "service": SERVICE, "trace_id": trace_id, "message": "too heavy: " + "x" * 5_000})
    logs.put_log_events(logGroupName="mcp", logStreamName="1", logEvents=[{"timestamp": int(time.time() * 1000), "message": line}])


async def ask(session, tool, **arguments):
    answer = await session.call_tool(tool, arguments)
    [content] = answer.content
    is_error = getattr(answer, "is_error", None)
    return (answer.isError if is_error is None else is_error), content.text


async def told(session, tool, **arguments):
    """An answer begins with the link to its page; values follow, one a line."""
    is_error, text = await ask(session, tool, **arguments)
    assert not is_error, text
    link, *lines = text.split("\n")
    assert link.startswith(CONSOLE + "/"), text
    assert len(text) < 41_000, len(text)
    return link, lines


async def values(session, tool, **arguments):
    link, lines = await told(session, tool, **arguments)
    return {"link": link, **{name: json.loads(value) for name, value in (line.split(": ", 1) for line in lines)}}


async def assist(session, trace_id, span_id):
    await session.initialize()
    tools = {tool.name: tool for tool in (await session.list_tools()).tools}
    expected = {"list_services", "list_columns", "query", "what_differs", "list_traces", "get_trace", "list_errors", "logs"}
    assert set(tools) == expected, set(tools)
    assert all(tool.description for tool in tools.values())

    services = await values(session, "list_services")
    assert SERVICE in [it["name"] for it in services["services"]], services
    columns = await values(session, "list_columns", service=SERVICE, values_of="app.user_id")
    assert "duration_ms (float)" in columns["columns"], columns
    assert "mallory" in [it["value"] for it in columns["values"]], columns

    query = {"calculations": [{"op": "MAX", "column": "duration_ms"}, {"op": "COUNT"}], "breakdowns": ["app.user_id"],
             "orders": [{"op": "MAX", "column": "duration_ms", "order": "descending"}]}
    slowest = await values(session, "query", query=query, service=SERVICE)
    row = slowest["rows"][0]
    assert row["group"] == {"app.user_id": "mallory"} and row["values"]["MAX(duration_ms)"] == 900, row
    assert row["example_traces"] == [trace_id], row
    assert slowest["spans_matched"] == 21 and "/query?query=" in slowest["link"], slowest
    one = await values(session, "query", query={**query, "limit": 1}, service=SERVICE)
    assert one["left_out"] == "1 of 5 groups are shown", one

    differs = await values(session, "what_differs", query={}, service=SERVICE, min=500)
    assert (differs["spans_inside"], differs["spans_outside"]) == (1, 20), differs
    by_name = {it["column"]: it["values"] for it in differs["columns_that_differ_most"]}
    assert by_name["app.user_id"][0]["value"] == "mallory", by_name

    traces = await values(session, "list_traces", service=SERVICE, error=True)
    assert [it["trace_id"] for it in traces["traces"]] == [trace_id], traces
    link, lines = await told(session, "get_trace", trace_id=trace_id)
    assert link == f"{CONSOLE}/trace/{trace_id}", link
    assert lines[1] == f'+0.0 ms {SERVICE} "GET /basket" 900.0 ms [{span_id}] ERROR the basket is too heavy', lines
    span = (await values(session, "get_trace", trace_id=trace_id, span_id=span_id))["span"]
    assert span["attributes"]["app.user_id"] == "mallory", span

    errors = await values(session, "list_errors", trace_id=trace_id)
    [error] = errors["errors"]
    assert error["title"] == "the basket is too heavy" and error["last_trace_id"] == trace_id, error
    detail = await values(session, "list_errors", id=error["id"])
    assert detail["newest_occurrence"]["trace_id"] == trace_id, detail
    logs = await values(session, "logs", trace_id=trace_id)
    [line] = logs["lines"]
    assert line["message"].startswith("too heavy: xx") and len(line["message"]) == 500, line
    assert logs["link"].endswith(f"/logs?trace_id={trace_id}"), logs

    # A wrong question is an answer that says what is wrong, and where.
    wrong, text = await ask(session, "query", query={"calculations": [{"op": "P95"}]})
    assert wrong and "calculations[0].column" in text, text
    wrong, text = await ask(session, "get_trace", trace_id="nonsense")
    assert wrong and "is no trace id" in text, text
    wrong, text = await ask(session, "get_trace", trace_id="0" * 31 + "1")
    assert wrong and "404" in text, text


@contextlib.contextmanager
def over_http(**env):
    """`throughline mcp --http` on a free port; gives its address."""
    command = [os.environ["THROUGHLINE_BIN"], "mcp", "--http", "127.0.0.1:0"]
    server = subprocess.Popen(command, env={**os.environ, "CONSOLE_URL": CONSOLE, **env}, stderr=subprocess.PIPE, text=True)
    try:
        line = server.stderr.readline()
        yield re.fullmatch(r"listens on (http://127\.0\.0\.1:[0-9]+/mcp)\n", line)[1]
    finally:
        server.terminate()
        assert server.wait(timeout=20) == 0, server.stderr.read()


async def status(url, body=None, **headers):
    """What a caller is answered who is none of the official ones."""
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json", **headers}
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with AsyncClient() as client:
        return (await client.post(url, content=body or json.dumps(ping), headers=headers)).status_code


async def main(trace_id, span_id):
    server = StdioServerParameters(command=os.environ["THROUGHLINE_BIN"], args=["mcp"], env={"CONSOLE_URL": CONSOLE})
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await assist(session, trace_id, span_id)
    with over_http() as url:
        async with streamable_http_client(url) as (read, write), ClientSession(read, write) as session:
            await assist(session, trace_id, span_id)
        # The newest protocol has no handshake.
        async with Client(url) as client:
            assert len((await client.list_tools()).tools) == 8
        assert await status(url) == 200
        # A page that has rebound its name to us; a page of another origin; what is no message; what is too long.
        assert await status(url, host="evil.example") == 403
        assert await status(url, origin="http://evil.example") == 403
        assert await status(url, "nonsense") in (400, 415)
        assert await status(url, '"' + "x" * 100_000 + '"') == 413
    with over_http(CONSOLE_TOKEN="a word") as url:
        assert await status(url) == await status(url, authorization="Bearer another") == 401
        assert await status(url, authorization="Bearer a word") == 200
    open_to_all = subprocess.run([os.environ["THROUGHLINE_BIN"], "mcp", "--http", "0.0.0.0:0"], capture_output=True, text=True, timeout=20)
    assert open_to_all.returncode != 0 and "CONSOLE_TOKEN" in open_to_all.stderr, open_to_all


trace, span = send()
spans(trace, 1)
report(trace)
asyncio.run(main(trace, span))
print("an assistant found the slow user, the trace, the error and the log line, over stdio and over HTTP")
