import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * What a daemon answers to `hello` to prove that it knows a token before the token is sent: HMAC-SHA256 under the
 * SHA-256 of the token's secret over the caller's nonce and the endpoint of the very socket. The endpoint is what each
 * side's own socket says, so a program that took the port cannot pass on the answer of the real daemon.
 */
export function daemonProof(secretSha256: Uint8Array, nonce: string, endpoint: string): Buffer {
  return createHmac('sha256', secretSha256).update(`palyra-hello/v1\n${nonce}\n${endpoint}`).digest();
}

export function isDaemonProof(given: Buffer, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** `address:port` of a TCP endpoint in one spelling for both sides. */
export function tcpEndpoint(address: string | undefined, port: number | undefined): string {
  return `${(address ?? '').replace(/^::ffff:/, '')}:${port ?? 0}`;
}
