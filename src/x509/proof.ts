import { type KeyObject, verify } from 'node:crypto';
import { lengthPrefixed } from '../kernel/length-prefixed.ts';
import { signSha256 } from './key-pair.ts';

/** The calls that want a proof of the device key. A proof for one is none for another. */
export type ProvenCall =
  | 'GetPairingRequestStatus'
  | 'WatchPairingRequest'
  | 'FetchDeviceCertificate'
  | 'RecoverDeviceCertificate';

/** What a proof is about. */
export interface ProofSubject {
  readonly call: ProvenCall;
  /** Id of the pairing request or device. */
  readonly subject: string;
  readonly challenge: Uint8Array;
  /** SHA-256 of the CA certificate: a proof for one daemon is none for another. */
  readonly caSha256: Uint8Array;
  /** SHA-256 of the certificate request that goes along, or empty. */
  readonly csrSha256: Uint8Array;
}

const proofBytes = (proof: ProofSubject): Buffer =>
  lengthPrefixed('palyra-proof/v1', proof.call, proof.subject, proof.challenge, proof.caSha256, proof.csrSha256);

/** Signs with the device key. */
export const signProof = (key: KeyObject, proof: ProofSubject): Promise<Buffer> => signSha256(key, proofBytes(proof));

/** Whether the holder of this key made the proof. */
export const verifyProof = (key: KeyObject, proof: ProofSubject, signature: Uint8Array): boolean =>
  verify('sha256', proofBytes(proof), key, signature);

/** What a device that changes its key says with the old one. */
export interface KeyChange {
  readonly deviceId: string;
  /** SHA-256 of the CA certificate. */
  readonly caSha256: Uint8Array;
  /** SubjectPublicKeyInfo of the new key. */
  readonly newSpki: Uint8Array;
}

const changeBytes = ({ deviceId, caSha256, newSpki }: KeyChange): Buffer =>
  lengthPrefixed('palyra-new-key/v1', deviceId, caSha256, newSpki);

/** Signs with the old key. */
export const signKeyChange = (oldKey: KeyObject, change: KeyChange): Promise<Buffer> =>
  signSha256(oldKey, changeBytes(change));

/** Whether the holder of the old key wants the new one. */
export const verifyKeyChange = (oldKey: KeyObject, change: KeyChange, signature: Uint8Array): boolean =>
  verify('sha256', changeBytes(change), oldKey, signature);
