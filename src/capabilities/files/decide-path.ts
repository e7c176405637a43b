import { PalyraError } from '../../kernel/errors.ts';
import type { Decision } from '../capability.ts';
import type { FileAccess, Want } from './confined-file.ts';
import type { FileRules } from './file-rules.ts';

/** What opening it would say, told as a decision. The file is looked at, none of its bytes are read. */
export async function decidePath(
  capability: string,
  files: FileAccess,
  path: Buffer,
  want: Want,
  rules: FileRules,
): Promise<Decision> {
  try {
    const file = await files.open(path, want, rules);
    await file.close();
    return { allowed: true, rule: `capabilities["${capability}"].${file.rule}` };
  } catch (error) {
    return refusal(error);
  }
}

/** A failure as the decision it amounts to; what is no fault of the call rises. */
export function refusal(error: unknown, rule?: string): Decision {
  if (!(error instanceof PalyraError)) throw error;
  return { allowed: false, rule, code: error.code, reason: error.message, hint: error.hint };
}
