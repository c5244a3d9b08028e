import { judgeReceipt, readReceipt } from '../../drill/drill-receipt.ts';
import type { Gate } from './gate.ts';

/** The way there and back was drilled with this schema by this SDK, lately. Asked for only where config says how lately. */
export const drilled: Gate = {
  name: 'drilled',
  look: async ({ group: { entity, clock, limits }, postgres }, signal) => {
    if (limits.drillAgeMs === undefined) return [];
    const receipt = await readReceipt(postgres.checkpoints, entity.name, { signal });
    return [judgeReceipt(receipt, { entity, nowMs: clock.now(), maxAgeMs: limits.drillAgeMs })];
  },
  ahead: true,
};
