import type { ResultMessage } from '../../rpc/frames.ts';

/** A result as text: buffers in base64. */
export const encodeResult = (result: ResultMessage): string =>
  JSON.stringify(result, (_name, value: unknown) => {
    if (isBufferJson(value)) return { base64: Buffer.from(value.data).toString('base64') };
    return value;
  });

export const decodeResult = (text: string): ResultMessage =>
  JSON.parse(text, (_name, value: unknown) => {
    if (typeof value === 'object' && value !== null && 'base64' in value && typeof value.base64 === 'string') {
      return Buffer.from(value.base64, 'base64');
    }
    return value;
  }) as ResultMessage;

const isBufferJson = (value: unknown): value is { readonly data: readonly number[] } =>
  typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer' && 'data' in value;
