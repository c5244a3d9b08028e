import type { CallOptions, GateAnswer } from '@polyphase/core';
import type { CosmosContainer } from './cosmos-container.ts';

/**
 * Whether the account takes writes in one region only. With several, two writes of one document can both be acknowledged, and Cosmos DB
 * drops one of them afterwards: neither ETags nor permits hold there.
 */
export async function writeRegionAnswer(items: CosmosContainer, options: CallOptions): Promise<GateAnswer> {
  const regions = await items.writeRegions(options);
  return {
    name: 'one write region',
    passed: regions.length <= 1,
    seen: regions.join(', ') || 'the account names none',
    wanted:
      'one: turn multi-region writes off for the account; with them Cosmos DB acknowledges writes that it drops later, and nothing can be fenced',
  };
}
