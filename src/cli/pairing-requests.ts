import type { PairingRequestsView, PairingRequestView, PairingState } from '../wire/views.ts';
import type { OutputFormat } from './base.ts';
import type { OperatorClient } from './operator-client.ts';
import { type ListPrinter, printFacts, printList } from './print-list.ts';

type Printers = Pick<ListPrinter<PairingRequestView>, 'print' | 'printJson'>;

/** Fetches and prints a page of pairing requests. */
export async function printPairingRequests(
  client: OperatorClient,
  query: {
    readonly state: PairingState | undefined;
    readonly limit: number | undefined;
    readonly cursor: string | undefined;
  },
  format: OutputFormat,
  printers: Printers,
): Promise<void> {
  const page = await client.call<PairingRequestsView>('GET', '/api/v1/pairing/requests', { query: { ...query } });
  await printList({
    ...printers,
    format,
    key: 'requests',
    rows: page.requests,
    nextCursor: page.next_cursor,
    name: ({ request_id: requestId }) => requestId,
    columns: async () => (await import('./pairing-columns.ts')).pairingColumns(Date.now()),
    empty: 'no pairing requests; make a code with `palyra pairing code`',
  });
}

/** Prints one pairing request: what an approver has to compare and decide. */
export async function printPairingRequest(
  request: PairingRequestView,
  format: OutputFormat,
  { print, printJson }: Printers,
): Promise<void> {
  if (format === 'json') printJson(request);
  else if (format === 'ndjson') print(JSON.stringify(request));
  else if (format === 'name') print(request.request_id);
  else {
    const { pairingFacts } = await import('./pairing-columns.ts');
    await printFacts(pairingFacts(request, Date.now()), print);
  }
}
