import { randomBytes } from 'node:crypto';
import { PalyraError } from '../kernel/errors.ts';
import { daemonProof, isDaemonProof } from '../wire/daemon-proof.ts';
import { parseOperatorToken } from '../wire/operator-token.ts';
import { answerOf, jsonOf } from './http-answer.ts';
import type { OperatorConnection } from './operator-connection.ts';

const NONCE_BYTES = 32;
const HELLO_MS = 5_000;

/**
 * Lets the daemon prove over this very connection that it knows the token, before the token is sent: every user of the
 * machine may listen on a free loopback port. Errors: `daemon_not_proven`, `not_a_palyra_daemon`, `unauthenticated`
 * for a token with a typing error.
 */
export async function demandProof(connection: OperatorConnection, tokenText: string): Promise<void> {
  const token = parseOperatorToken(tokenText);
  if (token === undefined) {
    throw new PalyraError('unauthenticated', 'the operator token has a typing error; nothing was sent', {
      hint: 'check PALYRA_TOKEN or PALYRA_TOKEN_FILE',
    });
  }
  const nonce = randomBytes(NONCE_BYTES).toString('base64url');
  const call = connection.call({
    method: 'GET',
    path: `/api/v1/hello?nonce=${nonce}&id=${token.id}`,
    timeoutMs: HELLO_MS,
  });
  const answer = await answerOf(call.end());
  const document = await jsonOf(answer);
  const proof =
    typeof document === 'object' && document !== null && 'proof' in document && typeof document.proof === 'string'
      ? document.proof
      : undefined;
  if (answer.statusCode !== 200 || proof === undefined) {
    throw new PalyraError('not_a_palyra_daemon', 'what listens there is not a Palyra daemon', {
      hint: 'palyra daemon status',
    });
  }
  const expected = daemonProof(token.secretSha256, nonce, connection.peer);
  if (!isDaemonProof(Buffer.from(proof, 'base64url'), expected)) {
    throw new PalyraError('daemon_not_proven', 'the daemon there does not know this operator token; it was not sent', {
      hint: 'it may belong to another user: check PALYRA_DAEMON and PALYRA_TOKEN_FILE',
    });
  }
}
