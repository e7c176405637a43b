// The bare server in a process of its own, for what it weighs.
import { answerOrders } from './child.ts';
import { RawDaemon } from './raw-daemon.ts';

const [daemonHome = '', nodeHome = ''] = process.argv.slice(2);
const daemon = await RawDaemon.start({ daemonHome, nodeHome });

const orders = {
  address: () => daemon.address,
  memory: (): { rssBytes: number } => {
    globalThis.gc?.();
    globalThis.gc?.();
    return { rssBytes: process.memoryUsage.rss() };
  },
};
export type RawServerOrders = typeof orders;
answerOrders(orders);
