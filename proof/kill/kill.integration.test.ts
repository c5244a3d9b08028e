import { type Engine, startPostgres } from '@polyphase/test-support';
import { describeWith } from '@polyphase/test-support/vitest';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Account } from './account.ts';
import { LEGS, round } from './round.ts';
import type { Step } from './steps.ts';

// In full: npm run prove -- kill.
describeWith('postgres')('processes that are killed, stopped and cut off while a fleet walks', () => {
  const killedAt = new Map<Step, number>();
  let engine: Engine | undefined;
  let account: Account | undefined;
  beforeAll(async () => {
    // One of its own: it is restarted on the way.
    engine = await startPostgres();
    account = await Account.start();
  });
  afterAll(async () => {
    account?.stop();
    await engine?.stop();
  });

  test.each([
    [1, 'there and back', LEGS.slice(0, 2)],
    [2, 'through every phase', LEGS],
  ])(
    'round %i, %s: nothing acknowledged is lost, both stores end the same',
    async (seed, _, legs) => {
      if (!engine || !account) throw new Error('no engines');
      const { violations, told, operations } = await round({ seed, legs, engine, account, killedAt });
      expect({ violations, told: violations.length > 0 ? told.slice(-200) : [] }).toEqual({
        violations: [],
        told: [],
      });
      expect(operations).toBeGreaterThan(50);
    },
    // What it takes on a machine that does ten other things: 20 seconds where it does not.
    300_000,
  );
});
