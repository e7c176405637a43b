import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { ensurePrivateDir, fileFailure, fsyncDir, readPrivateFile } from '../kernel/files.ts';
import { findOperator, hasActiveAdmin, insertOperator } from '../store/operators.ts';
import type { Store } from '../store/store.ts';
import { adminTokenPath } from '../wire/operator-place.ts';
import { makeOperatorToken, type OperatorToken, parseOperatorToken } from '../wire/operator-token.ts';

const TOKEN_FILE_BYTES = 1024;

/** Never over an existing file: whoever made that one may have handed it to somebody. */
function writeOnce(path: string, text: string): void {
  try {
    const file = openSync(path, 'wx', 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    fsyncDir(dirname(path));
  } catch (cause) {
    throw fileFailure(cause, path);
  }
}

function parsed(text: string, path: string): OperatorToken {
  const token = parseOperatorToken(text.trim());
  if (token !== undefined) return token;
  throw new PalyraError('config_invalid', `${path} holds no operator token`, {
    hint: `move ${path} away and start again: a new one is made when no other admin exists`,
  });
}

/**
 * Makes sure that somebody can log in: `<home>/daemon/admin-token` is made at the first start, and taken up again by
 * an empty database. Without the file nothing is made as long as there is another admin: it was removed on purpose.
 * Errors: `credential_unsafe` for a file that others can read, `config_invalid` for one that holds no token.
 */
export async function ensureBootstrapAdmin(home: string, store: Store, clock: Clock): Promise<void> {
  const path = adminTokenPath(home);
  ensurePrivateDir(dirname(path));
  const existing = readPrivateFile(path, TOKEN_FILE_BYTES);
  if (existing === undefined && (await hasActiveAdmin(store.reader, clock.now()))) return;
  const token = existing === undefined ? makeOperatorToken('admin') : parsed(existing, path);
  // The file first: a crash after it is mended by the next start, one that left only the row would lock everybody out.
  if (existing === undefined) writeOnce(path, `${token.text}\n`);
  if ((await findOperator(store.reader, token.id)) !== undefined) return;
  await store.write((tx) =>
    insertOperator(tx, {
      operator_id: token.id,
      name: 'bootstrap-admin',
      role: 'admin',
      secret_sha256: token.secretSha256.toString('hex'),
      scopes_json: null,
      created_by: 'system:bootstrap',
      created_at_unix_ms: clock.now(),
      expires_at_unix_ms: null,
      revoked_at_unix_ms: null,
      last_used_at_unix_ms: null,
    }),
  );
}
