import { useEffect } from 'react';

import type { Stats } from '../shared/shapes';
import { Copy } from '../shared/Copy';
import type { ViewProps } from '../shared/view';

import './setup.css';

export function SetUpPage({ stats }: ViewProps) {
  useEffect(() => {
    document.title = 'Set up · Throughline';
  }, []);
  return (
    <main className="note">
      <h1>Send traces here</h1>
      <SetUp stats={stats} />
    </main>
  );
}

/** How to get the first trace in here. The ports are those on which this very console listens. */
export function SetUp({ stats }: { stats: Stats | 'gone' | null }) {
  const http = `http://${reachable(stats === null || stats === 'gone' ? '127.0.0.1:4318' : stats.otlp_http)}`;
  const grpc = `http://${reachable(stats === null || stats === 'gone' ? '127.0.0.1:4317' : stats.otlp_grpc)}`;
  return (
    <div className="set-up">
      <section>
        <h2>An application with any OpenTelemetry SDK</h2>
        <Snippet
          text={`export OTEL_EXPORTER_OTLP_ENDPOINT=${http}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\nexport OTEL_SERVICE_NAME=my-service`}
          what="variables for OTLP over HTTP"
        />
        <p>Or over gRPC:</p>
        <Snippet text={`export OTEL_EXPORTER_OTLP_ENDPOINT=${grpc}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=grpc\nexport OTEL_SERVICE_NAME=my-service`} what="variables for OTLP over gRPC" />
      </section>
      <section>
        <h2>One span by hand</h2>
        <Snippet text={curl(http)} what="a command that sends one span" />
      </section>
      <section>
        <h2>The Cruddur demonstration, with a database and a web app</h2>
        <Snippet text="cargo run --release" what="the command that starts the demonstration" />
        <p>
          It starts its own console. Open <code>http://localhost:3000</code>, click, and follow “Open this trace”.
        </p>
      </section>
    </div>
  );
}

function Snippet({ text, what }: { text: string; what: string }) {
  return (
    <div className="snippet">
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
      <Copy text={text} what={what} />
    </div>
  );
}

/** A console that listens everywhere is reached by the name that this page was. */
function reachable(address: string): string {
  return address.replace(/^(0\.0\.0\.0|\[::\])(?=:)/, location.hostname);
}

/** Makes a new id at each run, so that running it twice makes two traces. */
function curl(endpoint: string): string {
  return `now=$(date +%s); id() { od -An -N$1 -tx1 /dev/urandom | tr -d ' \\n'; }
curl -sS ${endpoint}/v1/traces -H 'content-type: application/json' -d '{"resourceSpans":[{
  "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"by-hand"}}]},
  "scopeSpans":[{"spans":[{"traceId":"'$(printf %08x $now)$(id 12)'","spanId":"'$(id 8)'",
    "name":"hello","kind":1,"startTimeUnixNano":"'$now'000000000","endTimeUnixNano":"'$now'042000000"}]}]}]}'`;
}
