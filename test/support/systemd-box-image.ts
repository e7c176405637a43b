import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const PACKAGES = 'systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,procps,iproute2,util-linux,passwd,polkitd';

/** Path of the root image that boxes are unpacked from; made once per machine and suite (40 s, 200 MB). */
export async function baseImage(): Promise<string> {
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'bookworm';
  const folder = join(tmpdir(), 'palyra-testbeds');
  const kind = createHash('sha256').update(PACKAGES).digest('hex').slice(0, 8);
  const image = join(folder, `systemd-${suite}-${kind}.tar`);
  if (existsSync(image)) return image;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Made beside and renamed: two test processes at once each make one, and never read a half one.
  const fresh = join(folder, `new-${process.pid}.tar`);
  const options = ['--variant=minbase', '--mode=root', `--include=${PACKAGES}`];
  await promisify(execFile)('mmdebstrap', [...options, suite, fresh], { timeout: 600_000, maxBuffer: 64 << 20 });
  renameSync(fresh, image);
  return image;
}
