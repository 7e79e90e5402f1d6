import './stack.css';

import { plural } from '../shared/format';
import { runs } from './model';
import type { Frame, Thrown } from './model';

/** Errors and what caused them, each with its calls, the innermost first. Calls of libraries are folded. */
export function Stack({ chain }: { chain: readonly Thrown[] }) {
  return (
    <ol className="thrown">
      {chain.map((each, at) => (
        <li key={at}>
          {at > 0 && <p className="soft">caused by</p>}
          <p className="thrown-what">
            <b>{each.class}</b> {each.message}
          </p>
          {runs(each.frames).map(({ ours, frames }, run) =>
            ours || frames.length === 1 ? (
              <Frames key={run} frames={frames} ours={ours} />
            ) : (
              <details key={run} className="frames-folded">
                <summary>{plural(frames.length, 'call')} of libraries</summary>
                <Frames frames={frames} ours={false} />
              </details>
            ),
          )}
          {each.frames.length === 0 && <p className="soft">Without a stack.</p>}
        </li>
      ))}
    </ol>
  );
}

function Frames({ frames, ours }: { frames: readonly Frame[]; ours: boolean }) {
  return (
    <ol className="frames" data-ours={ours}>
      {frames.map(({ file, line, method, code }, at) => (
        <li key={at}>
          <code>{method ?? '(no name)'}</code>
          <span className="frame-file">
            {file}
            {line !== null && `:${line}`}
          </span>
          {code && <pre>{code}</pre>}
        </li>
      ))}
    </ol>
  );
}
