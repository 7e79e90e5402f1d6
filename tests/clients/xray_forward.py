"""`throughline console --forward aws` is the daemon: what comes by UDP and by OTLP's neighbour leaves signed, 50 a call; botocore
computes each signature again."""

import json
import os
import re
import socket
import subprocess
import tempfile
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import eventually

KEY, SECRET, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "eu-central-1"
DOCUMENTS = 120
calls, refuse_next = [], [500, 429]


def is_signed_right(path, headers, body):
    """The signature that botocore makes of the same request at the same time."""
    sent = headers["Authorization"]
    signed = re.search("SignedHeaders=([^,]+)", sent).group(1).split(";")
    request = AWSRequest("POST", f"http://{headers['Host']}{path}", data=body, headers={name: headers[name] for name in signed if name != "host"})
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials(KEY, SECRET), "xray", REGION)
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return sent.endswith(signature) and f"Credential={KEY}/{headers['X-Amz-Date'][:8]}/{REGION}/xray/aws4_request" in sent


class Xray(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        call = {"path": self.path, "body": json.loads(body), "signed": is_signed_right(self.path, self.headers, body)}
        status = refuse_next.pop(0) if self.path == "/TraceSegments" and refuse_next else 200
        call["status"] = status
        calls.append(call)
        answer = {"UnprocessedTraceSegments": [], "Groups": []}
        if self.path == "/GetSamplingRules":
            answer = {"SamplingRuleRecords": [{"SamplingRule": {"RuleName": "from-aws"}}]}
        bad = [document for document in call["body"].get("TraceSegmentDocuments", []) if "garbage" in document]
        if bad:
            answer["UnprocessedTraceSegments"] = [{"Id": "none", "ErrorCode": "ParseError", "Message": "Invalid segment."}]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Xray)
threading.Thread(target=server.serve_forever, daemon=True).start()
aws = {
    "AWS_REGION": REGION,
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_ENDPOINT_URL_XRAY": f"http://127.0.0.1:{server.server_port}",
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


web, daemon = free_port(), free_port()
with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "w") as log:
    places = ["--listen", f"127.0.0.1:{web}", "--xray-daemon", f"127.0.0.1:{daemon}", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0"]
    command = [os.environ["THROUGHLINE_BIN"], "console", *places, "--data-dir", f"{folder}/data", "--forward"]
    process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **aws})
    try:

        def is_up():
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{web}/ready").status == 200
            except OSError:
                return False

        eventually("a console", is_up)
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.connect(("127.0.0.1", daemon))
        for n in range(DOCUMENTS):
            document = {"trace_id": f"1-6920a5b4-{n:024x}", "id": f"{n + 1:016x}", "name": "s", "start_time": 1.0, "end_time": 2.0}
            sender.send(b'{"format":"json","version":1}\n' + json.dumps(document).encode())

        def arrived():
            taken = [call for call in calls if call["path"] == "/TraceSegments" and call["status"] == 200]
            return [json.loads(text)["id"] for call in taken for text in call["body"]["TraceSegmentDocuments"]]

        ids = eventually("every document", lambda: len(arrived()) >= DOCUMENTS and arrived())
        assert sorted(ids) == [f"{n + 1:016x}" for n in range(DOCUMENTS)], "each once, also those that were refused first"
        assert [call["status"] for call in calls].count(200) >= 3 and not refuse_next, [call["status"] for call in calls]
        assert max(len(call["body"]["TraceSegmentDocuments"]) for call in calls) == 50

        # As the real daemon we pass on what we cannot read, and X-Ray says so.
        sender.send(b'{"format":"json","version":1}\ngarbage')
        read_log = lambda: open(f"{folder}/log").read()
        eventually("the word about it", lambda: re.search(r"Sent batch of 1 segments but had 1 Unprocessed segments \(\d+\.\d{3} seconds\)", read_log()))
        assert re.search(r"Successfully sent batch of 50 segments \(\d+\.\d{3} seconds\)", read_log()), read_log()

        # The TCP side asks AWS for rules, not the console's own store.
        request = urllib.request.Request(f"http://127.0.0.1:{daemon}/GetSamplingRules", data=b"{}", method="POST")
        rules = json.load(urllib.request.urlopen(request))
        assert rules["SamplingRuleRecords"][0]["SamplingRule"]["RuleName"] == "from-aws", rules
        assert all(call["signed"] for call in calls), [call["path"] for call in calls if not call["signed"]]

        report = json.load(urllib.request.urlopen(f"http://127.0.0.1:{web}/api/stats"))["forward"][0]
        assert (report["offered"], report["delivered"]) == (DOCUMENTS + 1, DOCUMENTS), report
    finally:
        process.terminate()
        process.wait(20)

# `xray apply --aws` signs the same way.
calls.clear()
dry = subprocess.run([os.environ["THROUGHLINE_BIN"], "xray", "apply", "--aws", "--dry-run"], capture_output=True, text=True, env={**os.environ, **aws})
assert "sampling rule Cruddur: create" in dry.stdout, dry
assert {call["path"] for call in calls} == {"/Groups", "/GetSamplingRules"} and all(call["signed"] for call in calls), calls
