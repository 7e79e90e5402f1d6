import { useEffect, useState } from 'react';

import { Copy } from '../shared/Copy';
import { count } from '../shared/format';
import type { Stats } from '../shared/shapes';
import type { ViewProps } from '../shared/view';

import { Laboratory } from './Laboratory';
import './setup.css';

export function SetUpPage({ stats }: ViewProps) {
  useEffect(() => {
    document.title = 'Set-up · Throughline';
  }, []);
  return (
    <main className="note set-up-page">
      <h1>Send something here</h1>
      {(stats === null || stats === 'gone' || stats.store === undefined) && <p>These are the addresses on which this console listens. Whatever arrives is counted beside its way in.</p>}
      <SetUp stats={stats} />
    </main>
  );
}

const WAYS = [
  { id: 'otlp', title: 'OpenTelemetry', received: 'otlp' },
  { id: 'curl', title: 'curl', received: 'otlp' },
  { id: 'xray', title: 'X-Ray', received: 'xray' },
  { id: 'rollbar', title: 'Rollbar', received: 'rollbar' },
  { id: 'cloudwatch', title: 'CloudWatch Logs', received: 'cloudwatch' },
  { id: 'demo', title: 'The demonstration', received: null },
] as const;

type Way = (typeof WAYS)[number]['id'];

/** How to get the first of anything in here. The ports are those on which this very console listens. */
export function SetUp({ stats, first = 'otlp' }: { stats: Stats | 'gone' | null; first?: Way }) {
  const [way, setWay] = useState<Way>(first);
  const known = stats === 'gone' ? null : stats;
  if (known?.store !== undefined) {
    return (
      <p>
        This console only reads ClickHouse. Spans and logs get there from an OpenTelemetry Collector, by its <code>clickhouse</code> exporter.
      </p>
    );
  }
  return (
    <div className="set-up">
      <div className="ways" role="tablist" aria-label="Ways in">
        {WAYS.map(({ id, title, received }) => {
          const came = received === null ? 0 : (known?.received[received] ?? 0);
          return (
            <button key={id} type="button" role="tab" id={`way-${id}`} aria-selected={way === id} aria-controls="way" onClick={() => setWay(id)}>
              {title}
              {came > 0 && <small title="received since the console started">{count(came)}</small>}
            </button>
          );
        })}
      </div>
      <section role="tabpanel" id="way" aria-labelledby={`way-${way}`}>
        <Snippets way={way} stats={known} />
      </section>
    </div>
  );
}

function Snippets({ way, stats }: { way: Way; stats: Stats | null }) {
  const http = `http://${reachable(stats?.otlp_http ?? '127.0.0.1:4318')}`;
  const grpc = `http://${reachable(stats?.otlp_grpc ?? '127.0.0.1:4317')}`;
  const daemon = reachable(stats?.xray_daemon ?? '127.0.0.1:2000');
  const here = location.origin;
  switch (way) {
    case 'otlp':
      return (
        <>
          <p>Any OpenTelemetry SDK or Collector, over HTTP:</p>
          <Snippet text={`export OTEL_EXPORTER_OTLP_ENDPOINT=${http}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\nexport OTEL_SERVICE_NAME=my-service`} what="variables for OTLP over HTTP" />
          <p>Or over gRPC:</p>
          <Snippet text={`export OTEL_EXPORTER_OTLP_ENDPOINT=${grpc}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=grpc\nexport OTEL_SERVICE_NAME=my-service`} what="variables for OTLP over gRPC" />
        </>
      );
    case 'curl':
      return (
        <>
          <p>One span by hand, a new trace each time:</p>
          <Snippet text={otlpByHand(http)} what="a command that sends one span" />
        </>
      );
    case 'xray':
      return (
        <>
          <p>An application with an X-Ray SDK takes this console for the daemon:</p>
          <Snippet text={`export AWS_XRAY_DAEMON_ADDRESS=${daemon}`} what="the variable for X-Ray SDKs" />
          <p>A segment by hand:</p>
          <Snippet text={segmentByHand(daemon)} what="a command that sends one segment" />
          <p>And X-Ray’s own commands read from here:</p>
          <Snippet text={`aws xray get-trace-summaries --endpoint-url ${here} --region us-east-1 \\\n  --start-time $(date -d '1 hour ago' +%s) --end-time $(date +%s)`} what="a command that lists traces" />
        </>
      );
    case 'rollbar':
      return (
        <>
          <p>Any Rollbar notifier; every access token is accepted:</p>
          <Snippet text={`// rollbar.js\nRollbar.init({ accessToken: 'local', endpoint: '${here}/api/1/item/' });`} what="the settings of rollbar.js" />
          <Snippet text={`# pyrollbar\nrollbar.init('local', 'development', endpoint='${here}/api/1/')`} what="the settings of pyrollbar" />
          <p>An item by hand:</p>
          <Snippet
            text={`curl -sS ${here}/api/1/item/ -H 'content-type: application/json' -H 'x-rollbar-access-token: local' -d '{"data":{\n  "environment":"development","level":"error",\n  "body":{"message":{"body":"hello from curl"}}}}'`}
            what="a command that sends one item"
          />
        </>
      );
    case 'cloudwatch':
      return (
        <>
          <p>Any AWS SDK, the CloudWatch agent or awslogs; any credentials do:</p>
          <Snippet text={`export AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=${here}\nexport AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local`} what="variables for CloudWatch Logs" />
          <p>A line by hand:</p>
          <Snippet
            text={`aws logs create-log-group --log-group-name mine\naws logs create-log-stream --log-group-name mine --log-stream-name here\naws logs put-log-events --log-group-name mine --log-stream-name here \\\n  --log-events timestamp=$(date +%s000),message='hello'`}
            what="commands that send one log line"
          />
        </>
      );
    case 'demo':
      return (
        <>
          <p>Services, a database and a web app, with a console of their own:</p>
          <Snippet text="cargo run --release" what="the command that starts the demonstration" />
          <p>
            Open <code>http://localhost:3000</code>, click, and follow “Open this trace”.
          </p>
          {stats?.laboratory && <Laboratory />}
        </>
      );
  }
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
function otlpByHand(endpoint: string): string {
  return `now=$(date +%s); id() { od -An -N$1 -tx1 /dev/urandom | tr -d ' \\n'; }
curl -sS ${endpoint}/v1/traces -H 'content-type: application/json' -d '{"resourceSpans":[{
  "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"by-hand"}}]},
  "scopeSpans":[{"spans":[{"traceId":"'$(printf %08x $now)$(id 12)'","spanId":"'$(id 8)'",
    "name":"hello","kind":1,"startTimeUnixNano":"'$now'000000000","endTimeUnixNano":"'$now'042000000"}]}]}]}'`;
}

/** bash writes to UDP by itself. */
function segmentByHand(daemon: string): string {
  const [host = '', port = ''] = [daemon.replace(/:\d+$/, ''), daemon.replace(/^.*:/, '')];
  return `now=$(date +%s); id() { od -An -N$1 -tx1 /dev/urandom | tr -d ' \\n'; }
printf '{"format":"json","version":1}\\n{"name":"by-hand","id":"%s","trace_id":"1-%08x-%s","start_time":%s.0,"end_time":%s.042}' \\
  $(id 8) $now $(id 12) $now $now > /dev/udp/${host}/${port}`;
}
