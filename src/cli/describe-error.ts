import { type ErrorCode, FAULTS, PalyraError, systemCode } from '../kernel/errors.ts';
import { cleanText } from './clean-text.ts';

/** What a person or script is told of a failure. */
export interface ErrorReport {
  readonly exit: number;
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly hint?: string;
    readonly request_id?: string;
    readonly details?: Readonly<Record<string, unknown>>;
  };
}

interface OclifFault {
  readonly oclif?: { readonly exit?: number };
  readonly code?: string;
}

// oclif wraps what a flag's parser throws as "Parsing --flag \n\t<message>\nSee more help with --help".
const tidy = (message: string): string =>
  message
    .replace(/\n?See more help with --help/, '')
    .replace(/^Parsing --\S+\s*\n\t/, '')
    // What it says of a command's flags is advice for its author.
    .replace(/\n\nNote: [\s\S]*$/, '')
    .replace(/\s*\n\s*/g, ' ')
    .trim();

function usage(message: string): ErrorReport {
  return {
    exit: FAULTS.usage.exit,
    error: { code: 'usage', message: tidy(message), hint: 'add --help to see the flags and examples' },
  };
}

/** Turns anything thrown into a report; an unknown fault becomes `internal` with an id to find it by. */
export function describeError(cause: unknown): ErrorReport {
  if (cause instanceof PalyraError) {
    const requestId = cause.details?.['request_id'];
    return {
      exit: FAULTS[cause.code].exit,
      error: {
        code: cause.code,
        message: cause.message,
        ...(cause.hint !== undefined && { hint: cause.hint }),
        ...(typeof requestId === 'string' && { request_id: requestId }),
        ...(cause.details !== undefined && { details: cause.details }),
      },
    };
  }
  const fault = cause as OclifFault;
  if (cause instanceof Error && fault.oclif?.exit !== undefined) return usage(cause.message);
  if (cause instanceof Error && cause.name === 'ExitPromptError') {
    return { exit: 130, error: { code: 'cancelled', message: 'stopped at the prompt' } };
  }
  // The runtime's own name for it loads nothing until it is used.
  const requestId = crypto.randomUUID();
  const system = systemCode(cause);
  const message = cause instanceof Error ? cause.message : String(cause);
  if (process.env['PALYRA_DEBUG'] === '1' && cause instanceof Error) process.stderr.write(`${cause.stack}\n`);
  return {
    exit: FAULTS.internal.exit,
    error: {
      code: 'internal',
      message: system === undefined ? message : `${message} (${system})`,
      hint: 'run again with PALYRA_DEBUG=1 and report what it prints',
      request_id: requestId,
    },
  };
}

/** A report as people read it: what, then what to do. */
export function renderError({ error }: ErrorReport): string {
  // Parts of both come from machines that may be hostile to the terminal.
  const hint = error.hint === undefined ? '' : `\n  hint: ${cleanText(error.hint)}`;
  return `error: ${cleanText(error.message)} [${error.code}]${hint}\n`;
}
