// What the server wrote into the page's head.

/** The content of `<meta name="…">`, or nothing when it is absent or empty. */
export function meta(name: string): string | undefined {
  return element(name)?.content || undefined;
}

export function writeMeta(name: string, content: string | undefined): void {
  if (content === undefined) return;
  const target = element(name) ?? document.head.appendChild(document.createElement('meta'));
  target.name = name;
  target.content = content;
}

/** Where the console shows a trace. The frontend-proxy knows the console's address; the default is that of `throughline up`. */
export function consoleLink(traceId: string): string {
  return `${(meta('console-url') ?? 'http://localhost:4380').replace(/\/$/, '')}/trace/${traceId}`;
}

function element(name: string): HTMLMetaElement | null {
  return document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`);
}
