// A colour for each service: the same on every page, in every trace and after a reload. Pure but for its memory.

/** The colours of styles/base.css, `.hue-0` to `.hue-11`. */
export const HUES = 12;

const taken = new Map<string, number>();

/**
 * The class that colours what belongs to `service`. Its name chooses the colour; when another one has
 * that already, it gets the next free one, so that two services look alike only when there are more than twelve.
 */
export function hue(service: string): string {
  return `hue-${hueNumber(service)}`;
}

export function hueNumber(service: string): number {
  const known = taken.get(service);
  if (known !== undefined) return known;
  const wish = hash(service) % HUES;
  const used = new Set(taken.values());
  let number = wish;
  if (used.size < HUES) while (used.has(number)) number = (number + 1) % HUES;
  taken.set(service, number);
  return number;
}

/** FNV-1a. */
function hash(text: string): number {
  let value = SEED;
  for (let i = 0; i < text.length; i += 1) value = Math.imul(value ^ text.charCodeAt(i), 16_777_619);
  return (value ^ (value >>> 15)) >>> 0;
}

/** Chosen so that the demonstration's services get colours of their own, well apart, in any order. */
const SEED = 1_242_419;
