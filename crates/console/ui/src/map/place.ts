// Where services and calls are drawn, and their figures in words. Pure.

import type { ServiceEdge, ServiceNode, Services } from '../query/calls';
import { compact } from '../query/text';
import { callKey, layout } from '../xray/layout';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface PlacedNode extends ServiceNode, Point {
  readonly id: string;
  readonly width: number;
  readonly height: number;
}

export interface PlacedEdge extends ServiceEdge {
  readonly id: string;
  readonly isDatabase: boolean;
  readonly points: readonly Point[];
  readonly weight: number;
  readonly label: Point;
}

export const WIDTH = 168;
export const HEIGHT = 68;
const GAP = 112;
const ROW = 106;
const MARGIN = 16;

export function place({ nodes, edges }: Services): { readonly nodes: readonly PlacedNode[]; readonly edges: readonly PlacedEdge[]; readonly width: number; readonly height: number } {
  const number = new Map(nodes.map(({ service }, at) => [service, at + 1]));
  const known = edges.filter(({ from, to }) => number.has(from) && number.has(to) && from !== to);
  const calls = known.map(({ from, to }) => [number.get(from)!, number.get(to)!] as const);
  const { nodes: placed, bends, columns, places } = layout([...number.values()], calls);
  const xOf = (column: number) => MARGIN + column * (WIDTH + GAP);
  const yOf = (at: number) => MARGIN + at * ROW;
  const at = (service: string) => {
    const found = placed.get(number.get(service) ?? 0) ?? { column: 0, place: 0 };
    return { x: xOf(found.column), y: yOf(found.place), column: found.column };
  };
  const most = Math.max(1, ...known.map(({ requests }) => requests));
  const kinds = new Map(nodes.map(({ service, kind }) => [service, kind]));
  return {
    nodes: nodes.map((node) => ({ ...node, id: node.service, x: at(node.service).x, y: at(node.service).y, width: WIDTH, height: HEIGHT })),
    edges: known.map((edge) => {
      const from = at(edge.from);
      const to = at(edge.to);
      const corners = (bends.get(callKey(number.get(edge.from)!, number.get(edge.to)!)) ?? []).flatMap((each, step) => {
        const x = xOf(from.column + step + 1);
        // Through the column where a node would stand, level.
        return [
          { x, y: yOf(each) + HEIGHT / 2 },
          { x: x + WIDTH, y: yOf(each) + HEIGHT / 2 },
        ];
      });
      const points = [{ x: from.x + WIDTH, y: from.y + HEIGHT / 2 }, ...corners, { x: to.x - 4, y: to.y + HEIGHT / 2 }];
      const [before, after] = points.slice(-2) as [Point, Point];
      return {
        ...edge,
        id: `${edge.from}>${edge.to}`,
        isDatabase: kinds.get(edge.to) === 'database',
        points,
        // From 1 to 4, by powers of ten.
        weight: 1 + 3 * (Math.log1p(edge.requests) / Math.log1p(most)),
        label: { x: (before.x + after.x) / 2, y: (before.y + after.y) / 2 },
      };
    }),
    width: 2 * MARGIN + columns * WIDTH + (columns - 1) * GAP,
    height: 2 * MARGIN + (places - 1) * ROW + HEIGHT,
  };
}

/** Leaves and arrives level at each point. */
export function wayOf(points: readonly Point[]): string {
  return points
    .map(({ x, y }, at) => {
      const before = points[at - 1];
      if (!before) return `M${x} ${y}`;
      const bend = x > before.x ? (x - before.x) / 2 : 70;
      return `C${before.x + bend} ${before.y} ${x - bend} ${y} ${x} ${y}`;
    })
    .join('');
}

/** `12/s`, `40/min`, `3/h`: in the unit in which it is at least one. */
export function rate(requests: number, seconds: number): string {
  const perSecond = requests / seconds;
  if (requests === 0) return '0/min';
  if (perSecond >= 1) return `${compact(perSecond)}/s`;
  if (perSecond * 60 >= 1) return `${compact(perSecond * 60)}/min`;
  return `${compact(perSecond * 3_600)}/h`;
}

export function percentOf(part: number, whole: number): string {
  if (part === 0 || whole === 0) return '0 %';
  const share = (100 * part) / whole;
  return share < 0.1 ? '<0.1 %' : share < 10 ? `${Number(share.toFixed(1))} %` : `${Math.round(share)} %`;
}
