// docs/errors.md from the error table. `npm run docs` writes it; a test says when it is behind.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ErrorCode, FAULTS } from '../src/kernel/errors.ts';
import { ADVICE } from './error-advice.ts';

const EXITS: readonly (readonly [number, string, string])[] = [
  [1, 'A fault inside', 'Something that the caller cannot help.'],
  [2, 'Usage and validation', 'What was asked is malformed; nothing was done.'],
  [3, 'Authentication', 'One side did not prove who it is.'],
  [4, 'Unreachable', 'The other side is not there, or is not what it should be.'],
  [5, 'Denied', 'A policy, role or decision says no.'],
  [6, 'Not found', 'The named thing does not exist.'],
  [7, 'Conflict and precondition', 'The thing exists, but its state does not allow it now.'],
  [8, 'Time', 'A time ran out.'],
  [130, 'Interrupted', 'Somebody stopped it.'],
];

const HEAD = `# Errors

Every failure has a code that stays the same over versions. The command line prints it in brackets, or as JSON on
standard error with \`--json\`; the operator API answers it as \`error.code\`, the node port as metadata of the status.

- **exit** is the exit code of the command. \`palyra nodes exec\` is different: it passes the code of the remote program
  through, so its own failures are 125 (any failure below), 126 (not executable), 127 (not found), 124 (timed out),
  128+n (ended by signal n on the node) and 130 (interrupted here). The code below is then in the error on standard error.
- **transient** errors may go away without a change of what is asked: repeat it later. **permanent** ones will not.

This page is made from \`src/kernel/errors.ts\`; change it there and run \`npm run docs\`.
`;

/** The text of docs/errors.md. */
export function errorsDoc(): string {
  const codes = Object.keys(FAULTS) as ErrorCode[];
  const sections = EXITS.map(([exit, title, meaning]) => {
    const rows = codes.filter((code) => FAULTS[code].exit === exit).map(rowOf);
    const table = ['| code | when | what to do | HTTP | gRPC | |', '|---|---|---|---|---|---|', ...rows].join('\n');
    return `\n## ${title} (exit ${exit})\n\n${meaning}\n\n${table}\n`;
  });
  const said = EXITS.map(([exit]) => exit);
  const lost = codes.filter((code) => !said.includes(FAULTS[code].exit));
  if (lost.length > 0) throw new Error(`no section for the exit codes of ${lost.join(', ')}`);
  return HEAD + sections.join('');
}

function rowOf(code: ErrorCode): string {
  const { when, http, grpc, retry } = FAULTS[code];
  return `| \`${code}\` | ${[when, ADVICE[code], String(http), grpc, retry].map(cell).join(' | ')} |`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

if (import.meta.main) {
  const path = join(dirname(import.meta.dirname), 'docs', 'errors.md');
  writeFileSync(path, errorsDoc());
  process.stderr.write('docs: errors.md\n');
}
