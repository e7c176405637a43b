import { userInfo } from 'node:os';
import { PalyraError } from '../../kernel/errors.ts';
import { nearName } from '../../kernel/near-name.ts';
import { defaultPolicy } from './default-policy.ts';
import type { Capabilities, PolicyDocument, PolicyEntry } from './policy-document.ts';

export interface PolicyFlags {
  /** Capabilities to allow, beside the harmless ones. */
  readonly allow: readonly string[];
  /** Absolute folders whose contents may be read; they allow the reading capabilities. */
  readonly readRoots: readonly string[];
  /** Script lines for a shell; only with shell.execute. */
  readonly allowScript: boolean;
}

export interface FlagPolicy {
  readonly document: PolicyDocument;
  /** What its owner is to be told, loudly. */
  readonly warnings: readonly string[];
}

const READERS = ['filesystem.read', 'filesystem.list', 'filesystem.stat'];
const SHELL = 'shell.execute';

/**
 * The policy that the flags of `palyra node pair` stand for, with every default written out. Errors: usage,
 * capability_unknown.
 */
export function policyFromFlags(flags: PolicyFlags, capabilities: Capabilities): FlagPolicy {
  const { allow, readRoots, allowScript } = flags;
  for (const name of allow) assertKnown(name, capabilities);
  if (allowScript && !allow.includes(SHELL)) {
    throw new PalyraError('usage', '--allow-script goes with --allow shell.execute', {
      hint: `add --allow ${SHELL}`,
    });
  }
  const reader = allow.find((name) => READERS.includes(name));
  if (reader !== undefined && readRoots.length === 0) {
    throw new PalyraError('usage', `--allow ${reader} needs to know what may be read`, {
      hint: 'add --read-root DIR, once for each folder',
    });
  }
  const entries: Record<string, PolicyEntry> = { ...defaultPolicy().capabilities };
  for (const name of allow) entries[name] ??= entry(name, {}, capabilities);
  if (readRoots.length > 0) {
    for (const name of READERS) entries[name] = entry(name, { roots: [...readRoots] }, capabilities);
  }
  if (allow.includes(SHELL)) {
    const script = allowScript ? 'allow' : 'deny';
    entries[SHELL] = entry(SHELL, { programs: 'any', script, env_from_request: ['*'] }, capabilities);
  }
  return { document: { version: 1, capabilities: entries }, warnings: warningsOf(flags) };
}

function assertKnown(name: string, capabilities: Capabilities): void {
  if (capabilities.has(name)) return;
  const meant = nearName(name, capabilities.keys());
  throw new PalyraError('capability_unknown', `there is no capability ${JSON.stringify(name)}`, {
    hint: meant === undefined ? `there are ${[...capabilities.keys()].join(', ')}` : `did you mean ${meant}?`,
  });
}

function entry(name: string, own: Record<string, unknown>, capabilities: Capabilities): PolicyEntry {
  const parsed = capabilities.get(name)?.policySchema.safeParse(own);
  if (parsed?.success === true) return { decision: 'allow', ...parsed.data };
  const message = parsed?.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ');
  throw new PalyraError('usage', `${name} cannot be allowed like this: ${message}`, {
    hint: 'roots are absolute paths of folders',
  });
}

function warningsOf({ allow, readRoots, allowScript }: PolicyFlags): string[] {
  const warnings: string[] = [];
  if (allow.includes(SHELL)) {
    const { username, uid } = userInfo();
    const root = uid === 0 ? ': the whole machine is theirs' : '';
    warnings.push(
      `shell.execute is allowed with ANY PROGRAM: operators of this daemon can do all that the user ${username} can${root}. ` +
        'Name the programs in node-policy.json to narrow it.',
    );
  }
  if (allowScript) warnings.push('Script lines are allowed: any line of shell, with pipes and redirections, runs.');
  for (const root of readRoots) {
    if (root === '/') warnings.push('The whole file system may be read, but for keys and password files.');
  }
  return warnings;
}
