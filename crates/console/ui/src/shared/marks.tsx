// Small pictures.

const PATHS = {
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14m5 12 5 5',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  check: 'm5 13 4 4L19 7',
  close: 'M6 6l12 12M18 6 6 18',
  pause: 'M9 5v14M15 5v14',
  play: 'M8 5l11 7-11 7z',
  warn: 'M12 4 3 20h18zM12 10v5M12 17.500v.5',
  database: 'M5 6c0-1.700 3.100-3 7-3s7 1.300 7 3-3.100 3-7 3-7-1.300-7-3v12c0 1.700 3.100 3 7 3s7-1.300 7-3V6M5 12c0 1.700 3.100 3 7 3s7-1.300 7-3',
  out: 'M7 17 17 7M9 7h8v8',
  link: 'M10 14a4 4 0 0 0 5.700 0l3-3a4 4 0 0 0-5.700-5.700l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1-1',
  back: 'M15 5l-7 7 7 7',
  up: 'm6 15 6-6 6 6',
  down: 'm6 9 6 6 6-6',
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** Three spans of a trace. */
export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" />
      <path d="M6 9h20" />
      <path d="M10 16h10" />
      <path d="M14 23h9" />
    </svg>
  );
}
