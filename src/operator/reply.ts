import type { ServerResponse } from 'node:http';
import type { Problem } from './problem.ts';

/** An answer that is sent whole. */
export interface Reply {
  readonly status?: number;
  /** Sent as JSON; absent for an answer without a body. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const API_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const;

/** Begins a stream; its head leaves with what is written first. */
export function startStream(outgoing: ServerResponse, mediaType: string): void {
  outgoing.writeHead(200, { ...API_HEADERS, 'content-type': mediaType });
}

// Straight to the socket: a Response object of the fetch kind costs half the whole hop.
export function sendReply(outgoing: ServerResponse, { status = 200, body, headers = {} }: Reply): void {
  if (outgoing.headersSent || outgoing.destroyed) return;
  if (body === undefined) {
    outgoing.writeHead(status === 200 ? 204 : status, { ...API_HEADERS, ...headers });
    outgoing.end();
    return;
  }
  const text = JSON.stringify(body);
  outgoing.writeHead(status, {
    ...API_HEADERS,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  outgoing.end(text);
}

export function sendProblem(outgoing: ServerResponse, { status, headers, document }: Problem): void {
  sendReply(outgoing, { status, headers, body: document });
}
