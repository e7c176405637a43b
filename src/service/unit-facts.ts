import type { ServiceProfile } from './service-manager.ts';

/** What we note of a service in its own unit file; systemd skips sections whose names begin with `X-`. */
export interface UnitFacts {
  readonly version: string;
  readonly profile: ServiceProfile;
  readonly home: string;
  readonly user: string;
  /** Lingering was off before the install. */
  readonly made_linger: boolean;
}

const SECTION = '[X-Palyra]';
const KEY = 'Facts=';

export const writeFacts = (facts: UnitFacts): string => `${SECTION}\n${KEY}${JSON.stringify(facts)}`;

/** The facts of a unit file that we wrote; undefined for anybody else's. */
export function readFacts(unit: string): UnitFacts | undefined {
  const [, ours] = unit.split(`\n${SECTION}\n`);
  const line = ours?.split('\n').find((text) => text.startsWith(KEY));
  if (line === undefined) return undefined;
  try {
    const facts: unknown = JSON.parse(line.slice(KEY.length));
    return isFacts(facts) ? facts : undefined;
  } catch {
    return undefined;
  }
}

// By hand instead of zod: `node status` reads this, and its start is measured.
function isFacts(value: unknown): value is UnitFacts {
  if (typeof value !== 'object' || value === null) return false;
  const { version, profile, home, user, made_linger } = value as Record<keyof UnitFacts, unknown>;
  return (
    [version, home, user].every((text) => typeof text === 'string') &&
    (profile === 'open' || profile === 'hardened') &&
    typeof made_linger === 'boolean'
  );
}
