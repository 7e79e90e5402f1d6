// Everything drawn. SVG attributes only: the page's CSP forbids style attributes.

import type { ReactNode } from 'react';

export function Wordmark() {
  return (
    <span className="wordmark">
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <path className="mark-sky" d="M16 2a14 14 0 0 1 14 14v1c-2.3 0-2.3 2-4.7 2s-2.300-2-4.600-2-2.400 2-4.700 2-2.300-2-4.700-2-2.300 2-4.600 2S4.300 17 2 17v-1A14 14 0 0 1 16 2Z" />
        <path className="mark-sea" d="M2.600 21c1.500.500 2.200 2 4.100 2 2.300 0 2.300-2 4.600-2 2.400 0 2.400 2 4.700 2s2.300-2 4.700-2c2.300 0 2.300 2 4.600 2 1.900 0 2.600-1.500 4.100-2A14 14 0 0 1 2.600 21Z" />
      </svg>
      <span>Cruddur</span>
    </span>
  );
}

/** A face for someone without a picture: their initial over a tide whose colour and height are their own. */
export function Avatar({ handle, name, large = false }: { handle: string; name: string; large?: boolean }) {
  let hash = 7;
  for (const char of handle) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 9973;
  const tide = 24 + (hash % 10);
  const initial = [...name.trim()][0]?.toUpperCase() ?? '?';
  return (
    <svg className={`avatar tint-${hash % 8}${large ? ' avatar-large' : ''}`} viewBox="0 0 40 40" aria-hidden="true">
      <rect className="avatar-sky" width="40" height="40" />
      <path className="avatar-sea" d={`M0 ${tide}q5-4 10 0t10 0 10 0 10 0V40H0Z`} />
      <text x="20" y="26" textAnchor="middle">
        {initial}
      </text>
    </svg>
  );
}

/** A ring that runs out, for what is left of something. */
export function Ring({ share, className = '' }: { share: number; className?: string }) {
  return (
    <svg className={`ring ${className}`} viewBox="0 0 20 20" aria-hidden="true">
      <circle className="ring-whole" cx="10" cy="10" r="8" />
      <circle className="ring-left" cx="10" cy="10" r="8" pathLength="1" strokeDasharray={`${share} 1`} transform="rotate(-90 10 10)" />
    </svg>
  );
}

/** An empty beach, for pages with nothing on them. */
export function Shore() {
  return (
    <svg className="shore" viewBox="0 0 240 72" aria-hidden="true">
      <circle cx="176" cy="30" r="15" />
      <path d="M0 44q15-9 30 0t30 0 30 0 30 0 30 0 30 0 30 0 30 0" />
      <path d="M20 56q12-7 25 0t25 0 25 0 25 0 25 0 25 0 25 0" />
      <path d="M60 67q10-6 20 0t20 0 20 0 20 0 20 0" />
    </svg>
  );
}

const ICONS = {
  home: 'M3 11.500 12 4l9 7.500V20h-6v-6H9v6H3Z',
  search: 'M10.500 4a6.500 6.500 0 1 1 0 13 6.500 6.500 0 0 1 0-13ZM15.500 15.500 20.500 20.500',
  bell: 'M6 17V11a6 6 0 0 1 12 0v6l2 2H4ZM10 21.500h4',
  person: 'M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8ZM4.500 20.500a7.500 7.500 0 0 1 15 0',
  pen: 'M4 20l1-4L16.500 4.500a2 2 0 0 1 3 3L8 19Z',
  reply: 'M9 6 4 11l5 5M4 11h9a7 7 0 0 1 7 7v1',
  copy: 'M9 9h11v11H9ZM15 9V4H4v11h5',
  open: 'M9 5H5v14h14v-4M13 5h6v6M19 5l-8 8',
  keys: 'M3 6h18v12H3ZM7 10h.010M12 10h.010M17 10h.010M8 14h8',
  leave: 'M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9',
  back: 'M11 5l-7 7 7 7M4 12h16',
} as const;

export function Icon({ name }: { name: keyof typeof ICONS }): ReactNode {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={ICONS[name]} />
    </svg>
  );
}
