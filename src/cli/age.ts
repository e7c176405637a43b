import prettyMs from 'pretty-ms';

/** How long ago a time was, in its largest unit: `3m`, `5d`; `-` for never. */
export function age(unixMs: number | null, now: number): string {
  if (unixMs === null) return '-';
  const ms = now - unixMs;
  return ms < 1000 ? 'now' : prettyMs(ms, { compact: true });
}

/** How long until a time: `in 9m`; `past` once it is over. */
export function until(unixMs: number | null, now: number): string {
  if (unixMs === null) return '-';
  return unixMs <= now ? 'past' : `in ${prettyMs(Math.max(1000, unixMs - now), { compact: true })}`;
}
