import { ConnectionError, defineEntity, StoreError, UnknownOutcomeError } from '@polyphase/core';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { DrillPlace, withMembers, withRecords } from '../../test/drill-place.ts';
import { FaultPlan, faultyStores } from '../../test/faulty-stores.ts';
import { Note, Other, protocol } from '../../test/virtual-world.ts';
import { type DrillReceipt, type DrillResult, drill } from '../index.ts';
import { readReceipt } from './drill-receipt.ts';

/** The same notes, whose schema takes no field that it does not name. */
const StrictNote = defineEntity({
  name: 'notes',
  schema: z.strictObject({
    id: z.string(),
    owner: z.string(),
    text: z.string(),
    unknown: z.array(z.number()),
  }),
  key: { partition: 'owner', id: 'id' },
});

const COURSE = "0 1 2 3 4 5 6 5' 2 3 4 5 6 7 7r 6 5'";

function receiptOf(result: DrillResult): DrillReceipt {
  const [receipt] = result.passed ? result.receipts : [];
  if (!receipt) throw new Error(result.passed ? 'no receipt' : result.wrongs.join('\n'));
  return receipt;
}

async function filled(): Promise<DrillPlace> {
  const place = new DrillPlace();
  await place.fill();
  return place;
}

describe('a drill that passes', () => {
  it('walks a sample to PostgreSQL and back, and back from where Cosmos DB was let go, under load', async () => {
    const place = await filled();
    const { stores, scratch } = place;
    const result = await place.run({ sample: 20 });
    const receipt = receiptOf(result);
    expect(receipt).toMatchObject({ entity: 'notes', sampled: 20, fingerprint: Note.fingerprint });
    expect(receipt.walked.map(({ phase }) => phase).join(' ')).toBe(COURSE);
    expect(receipt.acknowledged).toBeGreaterThan(20 * 14);
    expect(receipt.heldMs).toBeGreaterThan(protocol.armedLease);
    expect(receipt.heldMs).toBeLessThan(2 * protocol.armedLease);
    expect(await scratch.cosmos.records(Note).count()).toBeGreaterThan(0);
    // The entity itself was only read.
    expect(await stores.postgres.control.read('notes')).toBeUndefined();
    expect(await stores.cosmos.permits.read('notes')).toBeUndefined();
    expect(await stores.cosmos.records(Note).count()).toBe(31);
    expect(await stores.postgres.records(Note).count()).toBe(0);
  });

  it('keeps its receipt where the entity lives, and leaves out what its schema refuses', async () => {
    const place = await filled();
    const phases: string[] = [];
    const result = await place.run({ sample: 1_000, onPhase: (phase) => phases.push(phase) });
    const { sampled, leftOut, sdkVersion, fingerprint, endedAt } = receiptOf(result);
    expect({ sampled, leftOut }).toEqual({ sampled: 30, leftOut: 1 });
    expect(phases.join(' ')).toBe(`${COURSE.slice(2)} 2`);
    expect(await readReceipt(place.stores.postgres.checkpoints, 'notes')).toEqual({
      sdkVersion,
      fingerprint,
      endedAt,
    });
  });

  it('tells with the times of production what a flip holds, and asks itself for no receipt', {
    timeout: 30_000,
  }, async () => {
    const place = await filled();
    const result = await place.run({
      sample: 3,
      callers: 1,
      protocol: { drillAge: '30d' },
      patienceMs: 300_000,
    });
    expect(receiptOf(result).heldMs).toBeGreaterThan(1_100);
    expect(receiptOf(result).heldMs).toBeLessThan(1_600);
  });

  it('takes its sample from PostgreSQL where that is the authority', async () => {
    const place = await filled();
    const wish = { phase: '7', flip: 'manual', revision: 1 } as const;
    const { postgres } = place.stores;
    const note = { id: 'p', owner: 'only here', text: 'x' };
    await postgres.control.create({ group: 'notes', epoch: 1, phase: '7', term: 1, wish });
    await postgres
      .records(Note)
      .write(
        { kind: 'create', key: { partition: ['only here'], id: 'p' }, operationId: 'a', value: note },
        { term: 1 },
      );
    expect(await place.run()).toMatchObject({ passed: true, receipts: [{ sampled: 1 }] });
  });

  it.each([211, 307])(
    'is not misled by stores that fail at every %ith call, before or after',
    async (nth) => {
      const place = await filled();
      let isBroken = false;
      const faultAt = (call: number) => {
        if (!isBroken || call % nth !== 0) return undefined;
        return call % 2 === 0 ? 'error before' : 'error after';
      };
      const scratch = faultyStores(place.scratch, new FaultPlan({ faultAt }));
      const onPhase = (): void => {
        isBroken = true;
      };
      const result = await place.run({ sample: 10, scratch, onPhase, patienceMs: 30_000 });
      expect(result.passed ? [] : result.wrongs).toEqual([]);
    },
  );

  it.each(['5', '6', "5'", '7r'])('goes on after a pause of a minute in phase %s', async (at) => {
    const place = await filled();
    let isPaused = false;
    let pauses = 0;
    // Every call of the process that is under way, and every one that it makes until time goes on, comes a minute late.
    const faultAt = () => (isPaused ? ('pause before' as const) : undefined);
    const pause = async (): Promise<void> => {
      pauses += 1;
      await place.clock.sleep(60_000);
      isPaused = false;
    };
    const scratch = faultyStores(place.scratch, new FaultPlan({ faultAt, pause }));
    const onPhase = (phase: string): void => {
      isPaused ||= phase === at && pauses === 0;
    };
    const result = await place.run({ sample: 6, scratch, onPhase, patienceMs: 120_000 });
    expect(result.passed ? [] : result.wrongs).toEqual([]);
    expect(pauses).toBeGreaterThan(0);
  });

  it('moves entities of one group together, and gives each its receipt', async () => {
    const place = await filled();
    const { checkpoints } = place.stores.postgres;
    for (const id of ['1', '2', '3'])
      await place.stores.cosmos.foreign.put(Other, { id, owner: 'a', text: 'x' });
    const moves: string[] = [];
    const onPhase = (phase: string, entity: string): void => {
      if (['5', '6', "5'", '2'].includes(phase)) moves.push(`${entity} ${phase}`);
    };
    // One of them is slower to be ready for each step: alone, the other would be gone before it.
    const { cosmos } = place.scratch;
    const verify: typeof cosmos.verify = async (entity, options) => {
      if (entity.name === 'others') await place.clock.sleep(400);
      return cosmos.verify(entity, options);
    };
    const scratch = { ...place.scratch, cosmos: withMembers(cosmos, { verify }) };
    const result = await place.run({ entities: [Note, Other], sample: 5, scratch, onPhase });
    if (!result.passed) throw new Error(result.wrongs.join('\n'));
    expect(
      result.receipts.map(({ entity, sampled, acknowledged }) => [entity, sampled, acknowledged]),
    ).toEqual([
      ['notes', 5, expect.any(Number)],
      ['others', 3, expect.any(Number)],
    ]);
    for (const { entity, walked, endedAt } of result.receipts) {
      expect(walked.map(({ phase }) => phase).join(' ')).toBe(COURSE);
      expect(await readReceipt(checkpoints, entity)).toMatchObject({ endedAt });
    }
    // Each by its own pace up to a flip; sealed and committed together.
    expect(moves.join(', ')).toContain('notes 5, others 5, notes 6, others 6');
    expect(moves.join(', ')).toContain("notes 5', others 5', notes 2, others 2");
  });

  it('repeats what nobody acknowledged, and takes it for one write', async () => {
    const place = await filled();
    let calls = 0;
    const cosmos = withRecords(place.scratch.cosmos, (real) => ({
      write: async (intent, options) => {
        calls += 1;
        const result = await real.write(intent, options);
        if (calls < 40 || calls % 7 !== 0) return result;
        throw new UnknownOutcomeError({ message: 'the answer was lost', operationId: intent.operationId });
      },
    }));
    expect(await place.run({ scratch: { ...place.scratch, cosmos } })).toMatchObject({ passed: true });
  });
});

describe('a drill that does not pass', () => {
  it.each([
    ['whose schema takes any field', Note],
    ['whose schema takes no other field', StrictNote],
  ])('tells that a store took copies of an entity %s and did not keep them', async (_, entity) => {
    const place = await filled();
    const forgetful = withRecords(place.scratch.cosmos, (real) => ({
      apply: async (copies, options) => {
        const kept = copies.filter(({ record }) => record.key.id !== '4');
        const outcomes = await real.apply(kept, options);
        return copies.map(
          ({ record }) =>
            outcomes[kept.findIndex((copy) => copy.record === record)] ?? { kind: 'applied', record },
        );
      },
    }));
    const scratch = { ...place.scratch, cosmos: forgetful };
    const wrongs = await place.wrongs({ entities: [entity], scratch, patienceMs: 6_000 });
    expect(wrongs[0]).toMatch(
      /^phase 2: not within 6000 ms; "notes" is in phase 6, both stores hold the same: \d+ records compared, 1 differ/,
    );
    expect(wrongs.slice(1)).toEqual([
      expect.stringMatching(/^Cosmos DB: .* the last acknowledged write is not there$/),
    ]);
  });

  it('withdraws the receipts of before, of every entity', async () => {
    const place = await filled();
    await place.stores.cosmos.foreign.put(Other, { id: '1', owner: 'a', text: 'x' });
    const { checkpoints } = place.stores.postgres;
    const entities = [Note, Other];
    const kept = () => Promise.all(entities.map(({ name }) => readReceipt(checkpoints, name)));
    expect((await place.run({ entities, sample: 1 })).passed).toBe(true);
    expect(await kept()).not.toContain(undefined);
    const cosmos = withRecords(place.made().cosmos, () => ({ apply: async () => [] }));
    const scratch = { cosmos, postgres: place.made().postgres };
    expect((await place.run({ entities, sample: 1, scratch, patienceMs: 6_000 })).passed).toBe(false);
    expect(await kept()).toEqual([undefined, undefined]);
  });

  it.each(['cosmos', 'postgres'] as const)('finds one write that %s acknowledged and lost', async (store) => {
    const place = await filled();
    let lost = 0;
    const broken = withRecords<(typeof place.scratch)[typeof store]>(place.scratch[store], (real) => ({
      write: async (intent, options) => {
        const there = await real.read(intent.key);
        if (lost > 0 || intent.key.id !== '7' || intent.kind !== 'upsert' || !there?.value)
          return real.write(intent, options);
        lost += 1;
        const version = { ...there.version, counter: there.version.counter + 1 };
        return { record: { ...there, version }, existed: true, repeated: false };
      },
    }));
    const wrongs = await place.wrongs({ scratch: { ...place.scratch, [store]: broken } });
    expect(lost).toBe(1);
    expect(wrongs[0]).toMatch(/after an acknowledged write a read found another version$/);
    expect(wrongs[1]).toMatch(/^given up on the way to /);
    expect(wrongs.slice(2).length).toBeGreaterThan(0);
  });

  it('finds that a write was lost by the next one, where no read showed it', async () => {
    const place = await filled();
    const versions = new Map<string, unknown>();
    let lost = 0;
    const broken = withRecords(place.scratch.cosmos, (real) => ({
      read: async (key, options) => {
        const there = await real.read(key, options);
        const told = versions.get(key.id);
        return there && told ? { ...there, version: { ...there.version, counter: Number(told) } } : there;
      },
      write: async (intent, options) => {
        const there = await real.read(intent.key);
        versions.delete(intent.key.id);
        if (lost > 0 || intent.key.id !== '7' || intent.kind !== 'upsert' || !there?.value)
          return real.write(intent, options);
        lost += 1;
        const version = { ...there.version, counter: there.version.counter + 1 };
        versions.set(intent.key.id, version.counter);
        return { record: { ...there, version }, existed: true, repeated: false };
      },
    }));
    const [first] = await place.wrongs({ scratch: { ...place.scratch, cosmos: broken } });
    expect(first).toMatch(/a write on top of the acknowledged write was refused, so that is lost.*conflict/);
  });

  it('ends where a store stays away half way, and says which', async () => {
    const place = await filled();
    let isAway = false;
    const away = (): void => {
      if (isAway) throw new ConnectionError({ message: 'PostgreSQL is away' });
    };
    const postgres = withRecords(place.scratch.postgres, (real) => ({
      write: async (...given) => {
        away();
        return real.write(...given);
      },
      readMany: async (...given) => {
        away();
        return real.readMany(...given);
      },
    }));
    const wrongs = await place.wrongs({
      scratch: { ...place.scratch, postgres },
      onPhase: (phase) => {
        isAway ||= phase === '6';
      },
    });
    expect(wrongs[0]).toMatch(/^2 writes of every record in phase 6: not within 20000 ms/);
    expect(wrongs.at(-1)).toBe(
      'PostgreSQL: could not be looked at in the end: connection: PostgreSQL is away',
    );
  });

  it('ends at once at an error that nobody may repeat', async () => {
    const place = await filled();
    let phase = '0';
    const postgres = withRecords(place.scratch.postgres, (real) => ({
      write: async (...given) => {
        if (phase === '6') throw new StoreError({ message: 'the disk is full' });
        return real.write(...given);
      },
    }));
    const wrongs = await place.wrongs({
      scratch: { ...place.scratch, postgres },
      onPhase: (reached) => {
        phase = reached;
      },
    });
    expect(wrongs[0]).toMatch(/a (write|delete) on top of .* was refused.*store: the disk is full/);
    expect(wrongs).toContainEqual(expect.stringMatching(/^given up on the way to /));
    expect(place.clock.monotonic()).toBeLessThan(40_000);
  });
});

describe('a drill that does not end', () => {
  it('rejects where its receipt cannot be kept', async () => {
    const place = await filled();
    const { checkpoints } = place.stores.postgres;
    const advance = async () => {
      throw new ConnectionError({ message: 'PostgreSQL is away' });
    };
    const postgres = withMembers(place.stores.postgres, {
      checkpoints: withMembers(checkpoints, { advance }),
    });
    const stores = { ...place.stores, postgres };
    await expect(place.run({ sample: 5, stores })).rejects.toThrow('PostgreSQL is away');
    expect(await readReceipt(checkpoints, 'notes')).toBeUndefined();
    expect(place.clock.nextMs).toBeUndefined();
  });

  it('ends with the reason of its signal, and leaves the receipt of before and nothing at work', async () => {
    const place = await filled();
    expect((await place.run()).passed).toBe(true);
    const before = await readReceipt(place.stores.postgres.checkpoints, 'notes');
    const stop = new AbortController();
    const reason = new Error('enough');
    let abortedAt = 0;
    const aborted = place.run({
      scratch: place.made(),
      signal: stop.signal,
      onPhase: (phase) => {
        if (phase !== '6' || stop.signal.aborted) return;
        abortedAt = place.clock.monotonic();
        stop.abort(reason);
      },
    });
    await expect(aborted).rejects.toBe(reason);
    expect(place.clock.monotonic() - abortedAt).toBeLessThan(1_000);
    expect(place.clock.nextMs).toBeUndefined();
    expect(before).toBeDefined();
    expect(await readReceipt(place.stores.postgres.checkpoints, 'notes')).toEqual(before);
  });

  it.each(['2', '5', '6', "5'", '7r'])('leaves no receipt when its process dies in phase %s', async (at) => {
    const place = await filled();
    const { clock, stores, scratch } = place;
    const plan = new FaultPlan();
    const dying = drill({
      entities: [Note],
      stores: faultyStores(stores, plan),
      scratch: faultyStores(scratch, plan),
      protocol,
      clock,
      patienceMs: 2_000,
      onPhase: (phase) => {
        if (phase === at) plan.kill();
      },
    });
    const result = await place.passing(dying);
    expect(plan.isDead).toBe(true);
    expect(result.passed).toBe(false);
    expect(await readReceipt(stores.postgres.checkpoints, 'notes')).toBeUndefined();
    // What it left is nobody's to go on with; on other stores the drill is as good as any.
    await expect(place.run()).rejects.toThrow('have a control row of it');
    expect((await place.run({ sample: 2, scratch: place.made() })).passed).toBe(true);
  });
});
