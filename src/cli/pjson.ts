import type { Interfaces } from '@oclif/core';
import { VERSION } from '../kernel/version.ts';

/** What oclif would read from package.json; kept in code so that the binary needs no file beside it. */
export const PJSON = {
  name: 'palyra',
  version: VERSION,
  type: 'module',
  oclif: {
    bin: 'palyra',
    dirname: 'palyra',
    topicSeparator: ' ',
    additionalHelpFlags: ['-h'],
    additionalVersionFlags: ['-v'],
    topics: {
      audit: { description: 'the record of who did what' },
      config: { description: 'what the commands go by' },
      daemon: { description: 'the central runtime on this machine' },
      node: { description: 'this machine as a node of a daemon' },
      nodes: { description: 'all nodes of the fleet, and work on them' },
      pairing: { description: 'codes for new machines and decisions about them' },
      requests: { description: 'capability requests, past and running' },
    },
  },
} as unknown as Interfaces.PJSON;
