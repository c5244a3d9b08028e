import { describeWith, testRedis } from '@polyphase/test-support/vitest';
import { Redis } from 'ioredis';
import { afterAll, expect, test } from 'vitest';
import { liveText, versionText } from '../src/redis-keys.ts';
import { fill1 } from '../src/scripts/fill-1.ts';
import { invalidate1 } from '../src/scripts/invalidate-1.ts';
import { lease1 } from '../src/scripts/lease-1.ts';

const AT_ONCE = 400;
const MINUTE = '60000';

/** One run of the world: an authority with its newest version, and the newest that was acknowledged. */
interface World {
  readonly key: string;
  newest: number;
  acknowledged: number;
}
type Step = (world: World, actor: Map<string, number>) => Promise<void> | void;
type Actor = readonly Step[];

/** Every order of the actors' steps that keeps each actor's own order. */
function* interleavings(
  actors: readonly Actor[],
  at: readonly number[] = actors.map(() => 0),
): Generator<number[]> {
  let ended = true;
  for (const [index, actor] of actors.entries()) {
    if ((at[index] ?? 0) === actor.length) continue;
    ended = false;
    for (const rest of interleavings(actors, at.with(index, (at[index] ?? 0) + 1))) yield [index, ...rest];
  }
  if (ended) yield [];
}

describeWith('redis')('the scripts, in every order of their steps', () => {
  const { url, prefix } = testRedis();
  const client = new Redis(url, { lazyConnect: true, enableAutoPipelining: true });
  afterAll(() => client.disconnect());
  let number = 0;

  /** Steps of readers and writers over these scripts; fills that a reader could then see too old are counted. */
  function world(fillText: string) {
    let stale = 0;
    let fills = 0;
    const version = (counter: number) => ({ term: 1, counter });
    const reader = (name: string, lag: number): Actor => [
      async (it, actor) => {
        const reply = await client.eval(lease1.text, 1, it.key, name, MINUTE);
        actor.set('leased', reply === 0 ? 1 : 0);
      },
      // A lagging loader is one that reads under session consistency: the newest write has not reached it.
      (it, actor) => void actor.set('loaded', Math.max(1, it.newest - lag)),
      async (it, actor) => {
        if (actor.get('leased') !== 1) return;
        const loaded = version(actor.get('loaded') ?? 0);
        const text = liveText({ version: loaded, payload: 'x' });
        const reply = await client.eval(fillText, 1, it.key, name, versionText(loaded), text, MINUTE);
        if (reply !== 1) return;
        fills += 1;
        if (loaded.counter < it.acknowledged) stale += 1;
      },
    ];
    const writer: Actor = [
      (it, actor) => void actor.set('wrote', (it.newest += 1)),
      async (it, actor) => {
        const wrote = actor.get('wrote') ?? 0;
        await client.eval(invalidate1.text, 1, it.key, versionText(version(wrote)), MINUTE);
        it.acknowledged = Math.max(it.acknowledged, wrote);
        const left = await client.get(it.key);
        if (left?.startsWith('V') === true && Number(left.slice(17, 33)) < it.acknowledged) stale += 1;
      },
    ];
    const eviction: Actor = [async (it) => void (await client.unlink(it.key))];
    return { reader, writer, eviction, counts: () => ({ stale, fills }) };
  }

  async function play(actors: readonly Actor[], order: readonly number[]): Promise<void> {
    const it: World = { key: `${prefix}${(number += 1)}`, newest: 1, acknowledged: 1 };
    const at = actors.map(() => 0);
    const memory = actors.map(() => new Map<string, number>());
    for (const index of order) {
      const step = actors[index]?.[at[index] ?? 0];
      at[index] = (at[index] ?? 0) + 1;
      await step?.(it, memory[index] ?? new Map());
    }
    await client.unlink(it.key);
  }

  async function playAll(actors: readonly Actor[]): Promise<number> {
    const orders = interleavings(actors);
    let played = 0;
    const lane = async (): Promise<void> => {
      for (const order of orders) {
        played += 1;
        await play(actors, order);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    return played;
  }

  const withoutVersions = fill1.text.replace('if ARGV[2] < minimum then', 'if false then');
  const withoutTokens = fill1.text.replace(
    /if string\.match\(.*\) ~= ARGV\[1\] then/,
    "if string.sub(held, 1, 1) ~= 'L' then",
  );

  test('two readers, one of them lagging, and two writers never leave a stale entry', async () => {
    const it = world(fill1.text);
    const played = await playAll([it.reader('a', 0), it.reader('b', 1), it.writer, it.writer]);
    expect(played).toBe(25_200);
    expect(it.counts().fills).toBeGreaterThan(5_000);
    expect(it.counts().stale).toBe(0);
  });

  test('nor does an eviction between any two steps', async () => {
    const it = world(fill1.text);
    expect(await playAll([it.reader('a', 0), it.reader('b', 0), it.writer, it.eviction])).toBe(5_040);
    expect(it.counts().stale).toBe(0);
  });

  test('without the compare of versions, a lagging reader does', async () => {
    expect(withoutVersions).not.toBe(fill1.text);
    const it = world(withoutVersions);
    await playAll([it.reader('a', 0), it.reader('b', 1), it.writer]);
    expect(it.counts().stale).toBeGreaterThan(0);
  });

  test('without the compare of tokens, a reader from before an eviction does', async () => {
    expect(withoutTokens).not.toBe(fill1.text);
    const it = world(withoutTokens);
    await playAll([it.reader('a', 0), it.reader('b', 0), it.writer, it.eviction]);
    expect(it.counts().stale).toBeGreaterThan(0);
  });
});
