import { dirname } from 'node:path';
import { Config } from '@oclif/core/config';
import { flush } from '@oclif/core/flush';
import { run as oclifRun } from '@oclif/core/run';
import { assetText } from '../kernel/assets.ts';
import { describeError, renderError } from './describe-error.ts';
import { ownWords } from './own-words.ts';
import { PJSON } from './pjson.ts';
import { EmbeddedPlugin } from './plugin.ts';

const isExit = (cause: unknown): cause is Error & { oclif: { exit?: number } } =>
  cause instanceof Error && 'oclif' in cause && (cause as { code?: string }).code === 'EEXIT';

/** A reader that closed our output early (`| head`) is no failure. */
function endQuietlyOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

/** Runs one command line to its end and sets the exit code. */
export async function run(argv: string[]): Promise<void> {
  endQuietlyOnClosedPipe();
  // oclif would read a theme file beside its configuration; nothing of ours is styled by it.
  process.env['PALYRA_DISABLE_THEME'] = '1';
  try {
    const root = dirname(process.execPath);
    const plugin = new EmbeddedPlugin(PJSON, root, JSON.parse(assetText('oclif.manifest.json')));
    const config = await Config.load({ pjson: PJSON, plugins: new Map([[plugin.name, plugin as never]]), root });
    await oclifRun(argv, config);
    await flush();
  } catch (cause) {
    if (isExit(cause)) {
      process.exitCode = cause.oclif.exit ?? 0;
      return;
    }
    const report = describeError(cause);
    process.stderr.write(
      ownWords(argv).includes('--json') ? `${JSON.stringify({ error: report.error })}\n` : renderError(report),
    );
    process.exitCode = report.exit;
  }
}
