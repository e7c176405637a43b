import { OperatorClient } from './operator-client.ts';
import { homeEndpoints, operatorEndpoint } from './operator-endpoint.ts';
import { findToken } from './operator-token-source.ts';

/** A client of the named daemon, or of the one of this home. Nothing is dialled yet. Errors: `usage`, `credential_unsafe`. */
export function connectOperator(options: {
  readonly home: string;
  readonly daemon: string | undefined;
  readonly tokenFile: string | undefined;
}): OperatorClient {
  const { home, daemon, tokenFile } = options;
  const named = daemon !== undefined && daemon !== '';
  return new OperatorClient({
    endpoints: named ? [operatorEndpoint(daemon)] : homeEndpoints(home),
    named,
    token: findToken(home, tokenFile === '' ? undefined : tokenFile)?.text,
  });
}
