// What a device signs of each result, so that nobody else can claim or change what it did.
import { type KeyObject, verify } from 'node:crypto';
import { lengthPrefixed } from '../kernel/length-prefixed.ts';
import { signSha256Sync } from './key-pair.ts';

const LABEL = 'palyra-receipt-v1';

export interface Receipt {
  readonly requestId: string;
  readonly outcome: number;
  readonly inputSha256: Uint8Array;
  readonly stdoutSha256: Uint8Array;
  readonly stderrSha256: Uint8Array;
  /** Of the structured output; empty when there is none. */
  readonly outputJson: Uint8Array;
  /** Null when no program ended by itself. */
  readonly exitCode: number | null;
}

const receiptBytes = (receipt: Receipt): Buffer =>
  lengthPrefixed(
    LABEL,
    receipt.requestId,
    String(receipt.outcome),
    receipt.inputSha256,
    receipt.stdoutSha256,
    receipt.stderrSha256,
    receipt.outputJson,
    receipt.exitCode === null ? '' : String(receipt.exitCode),
  );

/** ECDSA over P-256 with SHA-256, DER. */
export const signReceipt = (key: KeyObject, receipt: Receipt): Buffer => signSha256Sync(key, receiptBytes(receipt));

/** Whether the holder of this key signed exactly this. */
export const verifyReceipt = (key: KeyObject, receipt: Receipt, signature: Uint8Array): boolean =>
  verify('sha256', receiptBytes(receipt), key, signature);
