import type { Capability } from '../../capabilities/capability.ts';
import { PalyraError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';

/** Deeper documents are refused before anything walks through them by recursion. */
const MOST_DEPTH = 64;

/** The input of a dispatch. Errors: payload_too_large, invalid_argument with the field that does not fit. */
export function parseInput(capability: Capability, inputJson: Uint8Array | string): unknown {
  const bytes = Buffer.from(inputJson);
  if (bytes.length > LIMITS.inputBytes) {
    throw new PalyraError('payload_too_large', `an input of ${bytes.length} bytes is too large`, {
      hint: `up to ${LIMITS.inputBytes} bytes; pass data as standard input`,
    });
  }
  if (depthOf(bytes) > MOST_DEPTH) {
    throw new PalyraError('invalid_argument', `the input is nested deeper than ${MOST_DEPTH} levels`);
  }
  const parsed = capability.input.safeParse(parseJson(bytes));
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map(({ path, message }) => ({ field: path.join('.'), message }));
  const [first] = fields;
  const where = first?.field === '' ? 'the input' : `the field ${first?.field}`;
  throw new PalyraError('invalid_argument', `${capability.name}: ${where}: ${first?.message}`, { details: { fields } });
}

function parseJson(bytes: Buffer): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return JSON.parse(text === '' ? 'null' : text);
  } catch (error) {
    throw new PalyraError('invalid_argument', 'the input is not JSON in UTF-8', { cause: error });
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** How deep brackets are nested, strings left out. */
function depthOf(bytes: Buffer): number {
  let depth = 0;
  let deepest = 0;
  let inText = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (inText) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) {
      inText = true;
    } else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      deepest = Math.max(deepest, depth);
    } else if (byte === 0x5d || byte === 0x7d) {
      depth -= 1;
    }
  }
  return deepest;
}
