import { isIPv4, isIPv6 } from 'node:net';

/**
 * Who counts as one caller for rate limits: an IPv4 address, or the /64 of an IPv6 address, since a single machine has
 * all of the latter.
 */
export function sourceOf(address: string): string {
  const mapped = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
  if (isIPv4(mapped)) return mapped;
  const [bare = ''] = address.split('%');
  if (!isIPv6(bare)) return 'unknown';
  const [left = '', right] = bare.split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const zeros = right === undefined ? 0 : 8 - head.length - tail.length;
  const groups = [...head, ...Array.from({ length: zeros }, () => '0'), ...tail];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

/** The address of a gRPC peer, `address:port`. */
export const addressOfPeer = (peer: string): string => {
  const end = peer.lastIndexOf(':');
  return end < 0 ? peer : peer.slice(0, end);
};
