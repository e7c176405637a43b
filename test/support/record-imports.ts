// Loaded before the program: writes down every module that it loads.
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const file = process.env['PALYRA_TEST_IMPORTS'];

registerHooks({
  load(url, context, nextLoad) {
    if (file !== undefined) appendFileSync(file, `${url}\n`);
    return nextLoad(url, context);
  },
});
