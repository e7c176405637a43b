import { PalyraError } from '../kernel/errors.ts';
import type { PairingRequestView } from '../wire/views.ts';
import { cleanText } from './clean-text.ts';
import type { OperatorClient } from './operator-client.ts';

const say = (line: string): void => {
  process.stderr.write(`${cleanText(line)}\n`);
};

/**
 * Approves a pairing request with exactly what is printed here, so that what came in between cannot widen it.
 * `capability` narrows. Errors: those of the daemon; `invalid_argument` for a capability that cannot be granted.
 */
export async function approvePairing(
  client: OperatorClient,
  options: {
    readonly reference: string;
    readonly capability: readonly string[] | undefined;
    readonly reason: string | undefined;
  },
): Promise<PairingRequestView> {
  const path = `/api/v1/pairing/requests/${encodeURIComponent(options.reference)}`;
  const request = await client.call<PairingRequestView>('GET', path);
  const grantable = request.grantable_capabilities;
  const tooMuch = options.capability?.filter((name) => !grantable.includes(name)) ?? [];
  if (tooMuch.length > 0) {
    throw new PalyraError('invalid_argument', `${request.name} cannot be granted ${tooMuch.join(', ')}`, {
      hint: `it may be granted ${grantable.join(', ') || 'nothing'}`,
    });
  }
  const grant = options.capability ?? grantable;
  say(`${request.name} (${request.platform}/${request.arch}) from ${request.source_address}`);
  say(`short string ${request.short_string}: the machine must show the same`);
  if (request.known_key) say(`its key was enrolled before as ${request.device_id}`);
  say(`grants: ${grant.join(', ') || 'nothing'}`);
  const kept = request.requested_capabilities.filter((name) => !grant.includes(name));
  if (kept.length > 0) say(`does not grant: ${kept.join(', ')}`);
  const decided = await client.call<PairingRequestView>(
    'POST',
    `/api/v1/pairing/requests/${request.request_id}/approve`,
    { body: { capabilities: grant, ...(options.reason !== undefined && { reason: options.reason }) } },
  );
  say(`approved ${decided.request_id}`);
  return decided;
}
