import { useMemo } from 'react';

import { count, duration } from '../shared/format';
import { callKey, layout } from './layout';
import { average, outcomes } from './model';
import type { Edge, Graph, Outcome, Service, Statistics } from './model';

/** What of the map is chosen. */
export type Chosen = { readonly node: number } | { readonly from: number; readonly to: number } | null;

const COLUMN = 190;
const PLACE = 104;
const RADIUS = 30;
/** Room for the words below a node. */
const BELOW = 34;
const EDGE = 70;
/** Smaller it could not be read: then it scrolls. */
const LEAST_SCALE = 0.62;
const CLIENT_RADIUS = 18;

/** Services and who calls whom, from left to right. The ring says how requests ended, the middle how long they took. */
export function TraceMap({ graph, chosen, onChoose }: { graph: Graph; chosen: Chosen; onChoose: (chosen: Chosen) => void }) {
  const services = graph.Services;
  const placed = useMemo(() => {
    const calls = services.flatMap(({ ReferenceId, Edges }) => Edges.map((edge) => [ReferenceId, edge.ReferenceId] as const));
    return layout(services.map(({ ReferenceId }) => ReferenceId), calls);
  }, [services]);
  const width = (placed.columns - 1) * COLUMN + 2 * EDGE;
  const height = (placed.places - 1) * PLACE + 2 * RADIUS + BELOW + 12;
  const at = (id: number) => {
    const { column, place } = placed.nodes.get(id) ?? { column: 0, place: 0 };
    return { x: EDGE + column * COLUMN, y: RADIUS + 6 + place * PLACE };
  };
  const isNear = (id: number) =>
    chosen === null ||
    ('node' in chosen
      ? chosen.node === id || services.some(({ ReferenceId, Edges }) => Edges.some((edge) => (ReferenceId === id && edge.ReferenceId === chosen.node) || (ReferenceId === chosen.node && edge.ReferenceId === id)))
      : chosen.from === id || chosen.to === id);

  return (
    <svg className="trace-map" viewBox={`0 0 ${width} ${height}`} style={{ maxWidth: width, minWidth: width * LEAST_SCALE, minHeight: height * LEAST_SCALE }} role="group" aria-label="Trace map" onClick={() => onChoose(null)}>
      <defs>
        <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
          <path d="M0 0.500 8 4 0 7.500z" />
        </marker>
      </defs>
      {services.flatMap((service) =>
        service.Edges.map((edge) => (
          <Call
            key={`${service.ReferenceId}-${edge.ReferenceId}`}
            from={at(service.ReferenceId)}
            radius={service.Type === 'client' ? CLIENT_RADIUS : RADIUS}
            to={at(edge.ReferenceId)}
            bends={(placed.bends.get(callKey(service.ReferenceId, edge.ReferenceId)) ?? []).map((place, step) => ({
              x: at(service.ReferenceId).x + (step + 1) * COLUMN,
              y: RADIUS + 6 + place * PLACE,
            }))}
            edge={edge}
            name={`${service.Name} to ${services.find(({ ReferenceId }) => ReferenceId === edge.ReferenceId)?.Name ?? ''}`}
            isChosen={chosen !== null && 'from' in chosen && chosen.from === service.ReferenceId && chosen.to === edge.ReferenceId}
            isDim={chosen !== null && 'node' in chosen && chosen.node !== service.ReferenceId && chosen.node !== edge.ReferenceId}
            onChoose={() => onChoose({ from: service.ReferenceId, to: edge.ReferenceId })}
          />
        )),
      )}
      {services.map((service) => (
        <Node
          key={service.ReferenceId}
          service={service}
          {...at(service.ReferenceId)}
          isChosen={chosen !== null && 'node' in chosen && chosen.node === service.ReferenceId}
          isDim={!isNear(service.ReferenceId)}
          onChoose={() => onChoose({ node: service.ReferenceId })}
        />
      ))}
    </svg>
  );
}

interface NodeProps {
  readonly service: Service;
  readonly x: number;
  readonly y: number;
  readonly isChosen: boolean;
  readonly isDim: boolean;
  readonly onChoose: () => void;
}

function Node({ service, x, y, isChosen, isDim, onChoose }: NodeProps) {
  const { SummaryStatistics: statistics } = service;
  const isClient = service.Type === 'client';
  const kind = isClient ? '' : (service.Type ?? (service.State === 'active' ? '' : 'inferred'));
  const said = statistics && statistics.TotalCount > 0 ? `${duration(average(statistics))} on average, ${inWords(statistics)}` : 'no requests counted';
  return (
    <g
      className="map-node"
      transform={`translate(${x} ${y})`}
      data-node={isClient ? 'client' : service.Name}
      data-chosen={isChosen}
      data-dim={isDim}
      {...(isClient ? {} : { role: 'button', tabIndex: 0, 'aria-pressed': isChosen })}
      aria-label={`${isClient ? 'the client of ' : ''}${service.Name}: ${said}`}
      onClick={(event) => {
        event.stopPropagation();
        if (!isClient) onChoose();
      }}
      onKeyDown={(event) => (event.key === 'Enter' || event.key === ' ') && !isClient && (event.preventDefault(), event.stopPropagation(), onChoose())}
    >
      <title>{said}</title>
      {isClient ? (
        <>
          <circle r={CLIENT_RADIUS} className="map-disc" />
          <path className="map-person" d="M-5 -4a5 5 0 1 1 10 0a5 5 0 1 1 -10 0M-9 10a9 9 0 0 1 18 0" />
          <text className="map-kind" y={CLIENT_RADIUS + 14}>
            client
          </text>
        </>
      ) : (
        <>
          <circle r={RADIUS} className="map-disc" data-inferred={service.State !== 'active'} />
          {statistics && <Ring statistics={statistics} />}
          <text className="map-time" y={statistics ? 0 : 4}>
            {statistics && statistics.TotalCount > 0 ? duration(average(statistics)) : '–'}
          </text>
          {statistics && (
            <text className="map-count" y={12}>
              {count(statistics.TotalCount)} req
            </text>
          )}
          <text className="map-name" y={RADIUS + 15}>
            {shortened(service.Name)}
          </text>
          {kind && (
            <text className="map-kind" y={RADIUS + 28}>
              {shortened(kind)}
            </text>
          )}
        </>
      )}
    </g>
  );
}

export const ORDER: readonly Outcome[] = ['ok', 'error', 'throttle', 'fault'];

/** `40 ok, 2 faults`. */
export function inWords(statistics: Statistics): string {
  const counts = outcomes(statistics);
  const parts = ORDER.filter((each) => counts[each] > 0).map((each) => `${count(counts[each])} ${each}${each === 'ok' || counts[each] === 1 ? '' : 's'}`);
  return parts.join(', ') || 'none has ended';
}

/** A share of the circle for each way to end. */
function Ring({ statistics }: { statistics: Statistics }) {
  const counts = outcomes(statistics);
  const total = ORDER.reduce((sum, each) => sum + counts[each], 0);
  if (total === 0) return null;
  const length = 2 * Math.PI * RADIUS;
  let before = 0;
  return (
    <g transform="rotate(-90)">
      {ORDER.filter((each) => counts[each] > 0).map((each) => {
        const share = (counts[each] / total) * length;
        const offset = before;
        before += share;
        return <circle key={each} r={RADIUS} className="map-ring" data-outcome={each} strokeDasharray={`${share} ${length - share}`} strokeDashoffset={-offset} />;
      })}
    </g>
  );
}

interface Point {
  readonly x: number;
  readonly y: number;
}

interface CallProps {
  readonly from: Point;
  /** Of the node that calls. */
  readonly radius: number;
  readonly to: Point;
  readonly bends: readonly Point[];
  readonly edge: Edge;
  readonly name: string;
  readonly isChosen: boolean;
  readonly isDim: boolean;
  readonly onChoose: () => void;
}

function Call({ from, radius, to, bends, edge, name, isChosen, isDim, onChoose }: CallProps) {
  const { SummaryStatistics: statistics } = edge;
  const begin = { x: from.x + radius + 4, y: from.y };
  const end = { x: to.x - RADIUS - 5, y: to.y };
  const points = [begin, ...bends, end];
  const path = points.map((point, at) => (at === 0 ? `M${point.x} ${point.y}` : curve(points[at - 1]!, point))).join('');
  const counts = outcomes(statistics);
  const worst = [...ORDER].reverse().find((each) => counts[each] > 0) ?? 'ok';
  const next = points[1]!;
  const middle = { x: (begin.x + next.x) / 2, y: (begin.y + next.y) / 2 };
  const time = statistics.TotalCount === 0 ? '…' : duration(average(statistics));
  return (
    <g
      className="map-call"
      data-outcome={worst}
      data-chosen={isChosen}
      data-dim={isDim}
      role="button"
      tabIndex={0}
      aria-pressed={isChosen}
      aria-label={`${name}: ${duration(average(statistics))} on average, ${inWords(statistics)}`}
      onClick={(event) => {
        event.stopPropagation();
        onChoose();
      }}
      onKeyDown={(event) => (event.key === 'Enter' || event.key === ' ') && (event.preventDefault(), event.stopPropagation(), onChoose())}
    >
      <title>{`${name}: ${duration(average(statistics))} on average, ${inWords(statistics)}`}</title>
      <path d={path} className="map-reach" />
      <path d={path} className="map-line" markerEnd="url(#arrow)" />
      <text x={middle.x} y={middle.y - 6} className="map-count">
        {time}
      </text>
    </g>
  );
}

/** Leaves and arrives level. A call back to the left goes round. */
function curve(from: Point, to: Point): string {
  const bend = to.x > from.x ? Math.max((to.x - from.x) / 2, 24) : 60;
  return `C${from.x + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x} ${to.y}`;
}

/** What fits between two columns. */
const MOST_LETTERS = 24;

function shortened(text: string): string {
  return text.length <= MOST_LETTERS ? text : `${text.slice(0, MOST_LETTERS - 1)}…`;
}
