import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { PalyraError, systemCode } from '../../kernel/errors.ts';
import { fileFailure, writeFileDurable } from '../../kernel/files.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { defaultPolicy } from './default-policy.ts';
import { NodePolicy } from './node-policy.ts';
import { parsePolicy } from './parse-policy.ts';
import type { Capabilities, PolicyDocument } from './policy-document.ts';

const OTHERS_WRITE = 0o022;

export interface LoadedPolicy {
  readonly policy: NodePolicy;
  /** False where there is no file, and the default holds. */
  readonly fromFile: boolean;
}

/**
 * Reads the owner's policy; without a file the default one. Owner and mode are those of the very file that is read.
 * Errors: policy_invalid (its content, or others can write to it), no_permission.
 * @param nodeUid the user the node runs as; only that user and root may own the file.
 */
export async function loadPolicy(
  path: string,
  capabilities: Capabilities,
  nodeUid = process.geteuid?.(),
): Promise<LoadedPolicy> {
  let file: FileHandle;
  try {
    // A FIFO in its place must not hold the start up.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw fileFailure(error, path);
    return { policy: new NodePolicy(defaultPolicy(), capabilities), fromFile: false };
  }
  try {
    await assertOwners(file, path, nodeUid);
    const document = parsePolicy(await file.readFile('utf8'), capabilities, path);
    return { policy: new NodePolicy(document, capabilities), fromFile: true };
  } finally {
    await file.close();
  }
}

async function assertOwners(file: FileHandle, path: string, nodeUid: number | undefined): Promise<void> {
  const stats = await file.stat();
  if (!stats.isFile()) throw new PalyraError('policy_invalid', `${path} is no regular file`);
  if (stats.size > LIMITS.policyFileBytes) {
    throw new PalyraError('policy_invalid', `${path} is larger than ${LIMITS.policyFileBytes} bytes`);
  }
  // Windows keeps the rights in the access list of the folder.
  if (nodeUid === undefined) return;
  if (stats.uid !== 0 && stats.uid !== nodeUid) {
    throw new PalyraError('policy_invalid', `${path} belongs to another user than the node's or root`, {
      hint: `chown root ${path}`,
    });
  }
  if ((stats.mode & OTHERS_WRITE) !== 0) {
    throw new PalyraError('policy_invalid', `${path} can be written by other users`, { hint: `chmod go-w ${path}` });
  }
}

const HEADER = `// What operators may do with this machine, decided here and nowhere else. Per capability: allow, ask or deny;
// what is not named is denied. Comments are kept by people, not by "palyra node pair".
`;

/** Writes a policy, durable and readable by its owner only. Errors: policy_invalid, no_permission, disk_full. */
export async function writePolicy(path: string, document: PolicyDocument, capabilities: Capabilities): Promise<void> {
  const text = `${HEADER}${JSON.stringify(document, null, 2)}\n`;
  parsePolicy(text, capabilities, path);
  await writeFileDurable(path, text);
}
