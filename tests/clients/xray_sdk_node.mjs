// aws-xray-sdk-core for Node: a segment with streamed subsegments, sent by UDP.
import assert from "node:assert/strict";
import AWSXRay from "aws-xray-sdk-core";

const get = async (path) => {
  const answer = await fetch(process.env.CONSOLE_URL + path);
  return answer.ok ? answer.json() : undefined;
};

async function eventually(what, ask) {
  const end = Date.now() + 20_000;
  while (Date.now() < end) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`not within 20 s: ${what}`);
}

AWSXRay.enableManualMode();
AWSXRay.setStreamingThreshold(0);
const segment = new AWSXRay.Segment("sdk-node");
const outer = segment.addNewSubsegment("outer");
const inner = outer.addNewSubsegment("api.example.com");
inner.namespace = "remote";
inner.addAnnotation("attempt", 2);
inner.close(new Error("refused"));
outer.close();
segment.setUser("bob");
segment.close();

const trace = await eventually("three spans", async () => {
  const trace = await get(`/api/traces/${segment.trace_id}`);
  return trace?.span_count === 3 && trace;
});
const find = (name) => trace.spans.find((span) => span.name === name);
assert.equal(find("sdk-node").attributes["enduser.id"], "bob");
assert.equal(find("outer").parent_span_id, segment.id);
assert.equal(find("api.example.com").parent_span_id, outer.id);
assert.equal(find("api.example.com").status, "error");
assert.equal(find("api.example.com").attributes.attempt, 2);
assert.deepEqual(new Set(trace.spans.map((span) => span.service)), new Set(["sdk-node"]));
assert.deepEqual(trace.sources, ["xray"]);
