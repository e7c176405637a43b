import { readPrivateFile } from '../kernel/files.ts';
import { adminTokenPath } from '../wire/operator-place.ts';

const TOKEN_FILE_BYTES = 1024;

/** A token and where it was found, for `config show`. */
export interface FoundToken {
  readonly text: string;
  readonly origin: 'PALYRA_TOKEN' | 'token file' | 'admin token of the home';
}

/**
 * The operator's token: PALYRA_TOKEN, the file of --token-file or PALYRA_TOKEN_FILE, or the admin token that the
 * daemon of this home made. Undefined when there is none. Errors: `credential_unsafe` for a file that others can read.
 */
export function findToken(
  home: string,
  tokenFile: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): FoundToken | undefined {
  const given = env['PALYRA_TOKEN'];
  if (given !== undefined && given !== '') return { text: given.trim(), origin: 'PALYRA_TOKEN' };
  const [path, origin] =
    tokenFile === undefined
      ? ([adminTokenPath(home), 'admin token of the home'] as const)
      : ([tokenFile, 'token file'] as const);
  const text = readPrivateFile(path, TOKEN_FILE_BYTES)?.trim();
  return text === undefined ? undefined : { text, origin };
}
