import { describe, expect, it } from 'vitest';
import { parseConfig } from './config.ts';
import { InvalidOptionsError } from './errors.ts';

function problemsOf(config: unknown, known: readonly string[] = ['accounts']): readonly string[] {
  try {
    parseConfig(config, known);
  } catch (error) {
    if (InvalidOptionsError.isInstance(error)) return error.problems;
    throw error;
  }
  return [];
}

const withPolicy = (policy: unknown) => ({ revision: 1, entities: { accounts: policy } });

describe('parseConfig', () => {
  const pair = (groups: unknown, orders: unknown = { policy: 'dual-write' }) => ({
    revision: 1,
    entities: { orders, accounts: { policy: 'dual-write' }, notes: { policy: 'cosmos-only' } },
    groups,
  });

  it('tells each entity of a group which move together, sorted', () => {
    const { entities } = parseConfig(pair({ billing: ['orders', 'accounts'] }), [
      'orders',
      'accounts',
      'notes',
    ]);
    expect([...entities].map(([name, { wish }]) => [name, wish.together])).toEqual([
      ['orders', ['accounts', 'orders']],
      ['accounts', ['accounts', 'orders']],
      ['notes', undefined],
    ]);
  });

  it.each([
    [{ billing: ['orders'] }, 'groups.billing: must name two entities or more'],
    [{ billing: ['orders', 'strangers'] }, 'groups.billing: "strangers" has no policy'],
    [{ billing: ['orders', 'orders'] }, 'groups.billing: "orders" is in it twice'],
    [{ one: ['orders', 'notes'], two: ['notes', 'accounts'] }, 'groups.two: "notes" is in "one" too'],
    ['orders', 'groups: Invalid input: expected record, received string'],
  ])('refuses the groups %j', (groups, problem) => {
    expect(problemsOf(pair(groups), ['orders', 'accounts', 'notes'])).toEqual([problem]);
  });

  it('refuses a group whose policies lie on two sides', () => {
    const config = pair({ billing: ['orders', 'accounts'] }, { policy: 'postgres-primary' });
    expect(problemsOf(config, ['orders', 'accounts', 'notes'])).toEqual([
      'groups.billing: the policies of its entities want both Cosmos DB and PostgreSQL as the authority; a group moves in one step',
    ]);
  });

  it.each([
    [{ policy: 'cosmos-only' }, { phase: '0', flip: 'manual' }],
    [{ policy: 'dual-write' }, { phase: '2', flip: 'manual' }],
    [
      { policy: 'dual-write', reads: 'postgres', flip: 'auto' },
      { phase: '3', flip: 'auto' },
    ],
    [
      { policy: 'dual-write', reads: 'shadow' },
      { phase: '2', flip: 'manual' },
    ],
    [
      { policy: 'dual-write', reads: { postgres: { percent: 10 } } },
      { phase: '3', flip: 'manual' },
    ],
    [{ policy: 'postgres-primary' }, { phase: '6', flip: 'manual' }],
    [
      { policy: 'postgres-primary', reverseSync: false },
      { phase: '7', flip: 'manual' },
    ],
    [
      { policy: 'cached', ttl: '5m', over: { policy: 'dual-write' } },
      { phase: '2', flip: 'manual' },
    ],
  ])('turns %j into a wish', (policy, wish) => {
    expect(
      parseConfig({ revision: 7, entities: { accounts: policy } }, ['accounts']).entities.get('accounts')
        ?.wish,
    ).toEqual({
      ...wish,
      revision: 7,
    });
  });

  it('fills in defaults and reads durations', () => {
    const of = (policy: unknown) => parseConfig(withPolicy(policy), ['accounts']).entities.get('accounts');
    expect(of({ policy: 'dual-write' })).toMatchObject({ maxStalenessMs: 1_000, cacheTtlMs: undefined });
    expect(of({ policy: 'dual-write', maxStaleness: '1.5s' })?.maxStalenessMs).toBe(1_500);
    expect(of({ policy: 'cached', ttl: 250, over: { policy: 'dual-write', maxStaleness: 0 } })).toMatchObject(
      {
        maxStalenessMs: 0,
        cacheTtlMs: 250,
      },
    );
  });

  it('fills in what shadow reads cost, and which partitions PostgreSQL answers for', () => {
    const of = (policy: unknown) => parseConfig(withPolicy(policy), ['accounts']).entities.get('accounts');
    const standard = { sample: 0.1, concurrency: 4, queue: 100, wanted: false };
    expect(of({ policy: 'postgres-primary' })?.shadow).toEqual(standard);
    expect(of({ policy: 'dual-write', reads: 'shadow', shadow: { sample: 1 } })?.shadow).toEqual({
      ...standard,
      sample: 1,
      wanted: true,
    });
    expect(of({ policy: 'dual-write', reads: 'postgres' })?.reads).toEqual({ percent: 100, partitions: [] });
    const postgres = { percent: 2.5, partitions: ['t1', 7, null, ['a', 'b']] };
    expect(of({ policy: 'dual-write', reads: { postgres } })?.reads).toEqual({
      percent: 2.5,
      partitions: ['["t1"]', '[7]', '[null]', '["a","b"]'],
    });
  });

  it('lists every problem of shadow reads and of partial reads', () => {
    const shadow = { sample: 2, concurrency: 0, queue: -1, often: true };
    const reads = { postgres: { percent: 101, partitions: [{}, []] }, cosmos: {} };
    const found = problemsOf(withPolicy({ policy: 'dual-write', reads, shadow })).join('\n');
    for (const problem of [
      'entities.accounts.shadow.sample: must be a number from 0 to 1',
      'entities.accounts.shadow.concurrency: must be a whole number from 1 to 100',
      'entities.accounts.shadow.queue: must be a whole number from 0 to 10000',
      'often',
      'entities.accounts.reads.postgres.percent: must be a number from 0 to 100',
      'entities.accounts.reads.postgres.partitions.0: must be a partition, or a list of its levels',
      'entities.accounts.reads.postgres.partitions.1: must not be empty',
      'cosmos',
    ])
      expect(found).toContain(problem);
    expect(problemsOf(withPolicy({ policy: 'dual-write', reads: { postgres: {} } })).join('\n')).toContain(
      'must have percent, partitions, or both',
    );
    expect(problemsOf(withPolicy({ policy: 'dual-write', reads: 'redis' })).join('\n')).toContain(
      'entities.accounts.reads: must be "cosmos", "shadow", "postgres"',
    );
  });

  it.each([
    ['an unknown policy', { policy: 'postgres-only' }, 'must be "cosmos-only"'],
    [
      'cached over cached',
      { policy: 'cached', ttl: 1, over: { policy: 'cached', ttl: 1, over: { policy: 'cosmos-only' } } },
      'entities.accounts.over',
    ],
    [
      'a negative ttl',
      { policy: 'cached', ttl: -1, over: { policy: 'cosmos-only' } },
      'must not be negative',
    ],
    ['a ttl of zero', { policy: 'cached', ttl: '0s', over: { policy: 'cosmos-only' } }, 'longer than 0'],
    [
      'a duration without a unit',
      { policy: 'dual-write', maxStaleness: '5' },
      'entities.accounts.maxStaleness',
    ],
    ['a field of another policy', { policy: 'cosmos-only', reads: 'cosmos' }, 'reads'],
    ['no policy at all', {}, 'must be "cosmos-only"'],
    ['text', 'cosmos-only', 'entities.accounts'],
  ])('refuses %s', (_, policy, problem) => {
    expect(problemsOf(withPolicy(policy)).join('\n')).toContain(problem);
  });

  it('refuses entities that are not registered, and asks for those that are', () => {
    const entities = { accounts: { policy: 'cosmos-only' }, orders: { policy: 'cosmos-only' } };
    expect(problemsOf({ revision: 1, entities }, ['accounts', 'sessions'])).toEqual([
      expect.stringContaining('entities.orders: no such entity'),
      expect.stringContaining('entities.sessions: has no policy'),
    ]);
  });

  it.each([undefined, null, 'text', [], {}, { revision: 1.5, entities: {} }, { revision: -1, entities: {} }])(
    'refuses %j as a whole',
    (config) => {
      expect(problemsOf(config).length).toBeGreaterThan(0);
    },
  );

  it('lists every problem, not only the first', () => {
    const config = {
      revision: -1,
      entities: { accounts: { policy: 'x' }, orders: { policy: 'cached', ttl: -1, over: {} } },
    };
    expect(problemsOf(config).length).toBeGreaterThanOrEqual(4);
  });
});
