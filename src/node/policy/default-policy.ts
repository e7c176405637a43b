import type { PolicyDocument } from './policy-document.ts';

/** What a node does when its owner said nothing: what harms nobody. */
export const defaultPolicy = (): PolicyDocument => ({
  version: 1,
  capabilities: {
    echo: { decision: 'allow' },
    'system.health': { decision: 'allow' },
    'system.identity': { decision: 'allow' },
  },
});
