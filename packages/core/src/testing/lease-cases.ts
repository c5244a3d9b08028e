import type { Lease, LeaseManager } from '../lease.ts';
import type { RecordHost } from '../store.ts';
import { equal, ok, rejects } from './assert.ts';
import { type ContractCase, pass, suite } from './contract.ts';

type Case = ContractCase<Pick<RecordHost, 'leases'>>;

const LONG_MS = 60_000;
const SHORT_MS = 100;
const AFTER_SHORT_MS = 300;

async function acquired(leases: LeaseManager, holder: string, durationMs = LONG_MS): Promise<Lease> {
  const answer = await leases.acquire('work', holder, durationMs);
  ok(answer.kind === 'acquired', `${holder} should have got the lease`);
  return answer.lease;
}

/** Leases: one holder at a time, tokens that rise. */
export const leaseCases: readonly Case[] = suite<Pick<RecordHost, 'leases'>>('lease', [
  {
    name: 'one holder gets it, the others learn who has it',
    requires: [],
    run: async ({ store: { leases } }) => {
      const lease = await acquired(leases, 'a');
      equal([lease.name, lease.holder, lease.durationMs], ['work', 'a', LONG_MS], 'lease');
      const answer = await leases.acquire('work', 'b', LONG_MS);
      ok(answer.kind === 'held', 'b must not get it');
      equal([answer.by.holder, answer.by.token], ['a', lease.token], 'by');
      ok(answer.by.remainingMs > 0 && answer.by.remainingMs <= LONG_MS, `remaining ${answer.by.remainingMs}`);
      const other = await leases.acquire('other work', 'b', LONG_MS);
      equal(other.kind, 'acquired', 'another name is another lease');
    },
  },
  {
    name: 'whoever asks for a short lease waits for a long one all the same',
    requires: [],
    run: async ({ store: { leases } }) => {
      const lease = await acquired(leases, 'a');
      equal((await leases.acquire('work', 'b', 1)).kind, 'held', 'just acquired');
      await leases.renew(lease);
      equal((await leases.acquire('work', 'b', 1)).kind, 'held', 'just renewed');
    },
  },
  {
    name: 'of many who ask at once one gets it',
    requires: [],
    run: async ({ store: { leases } }) => {
      const holders = Array.from({ length: 10 }, (_, i) => `h${i}`);
      const answers = await Promise.all(holders.map((holder) => leases.acquire('work', holder, LONG_MS)));
      equal(answers.filter((it) => it.kind === 'acquired').length, 1, 'winners');
    },
  },
  {
    name: 'the same holder gets its own lease again, with the same token',
    requires: [],
    run: async ({ store: { leases } }) => {
      const first = await acquired(leases, 'a');
      equal((await acquired(leases, 'a')).token, first.token, 'token');
      equal((await leases.renew(first)).token, first.token, 'renewed');
    },
  },
  {
    name: 'a lease that ran out goes to another, whose token is higher; the old holder is fenced',
    requires: [],
    run: async (subject) => {
      const { leases } = subject.store;
      const old = await acquired(leases, 'a', SHORT_MS);
      await pass(subject, AFTER_SHORT_MS);
      const lease = await acquired(leases, 'b');
      ok(lease.token > old.token, `${lease.token} must be above ${old.token}`);
      await rejects(leases.renew(old), 'fenced', 'renew');
      await leases.release(old);
      equal((await leases.acquire('work', 'c', LONG_MS)).kind, 'held', 'a late release frees nothing');
      await leases.renew(lease);
    },
  },
  {
    name: 'renewing keeps a lease from running out',
    requires: [],
    run: async (subject) => {
      const { leases } = subject.store;
      const lease = { ...(await acquired(leases, 'a', SHORT_MS)), durationMs: LONG_MS };
      await leases.renew(lease);
      await pass(subject, AFTER_SHORT_MS);
      equal((await leases.acquire('work', 'b', LONG_MS)).kind, 'held', 'still held');
    },
  },
  {
    name: 'a released lease is free at once, is lost to its holder, and the next token is higher',
    requires: [],
    run: async ({ store: { leases } }) => {
      const old = await acquired(leases, 'a');
      await leases.release(old);
      await rejects(leases.renew(old), 'fenced', 'renew after release');
      const next = await acquired(leases, 'b');
      ok(next.token > old.token, `${next.token} must be above ${old.token}`);
      await leases.release(old);
      await leases.renew(next);
    },
  },
  {
    name: 'those that somebody has are listed by the beginning of their names',
    requires: [],
    run: async (subject) => {
      const { leases } = subject.store;
      const lease = await acquired(leases, 'a');
      await leases.acquire('work/2', 'b', LONG_MS);
      await leases.acquire('wörk_%', 'b', LONG_MS);
      await leases.acquire('other', 'b', LONG_MS);
      await leases.acquire('work/short', 'c', SHORT_MS);
      const gone = await leases.acquire('work/gone', 'c', LONG_MS);
      ok(gone.kind === 'acquired', 'c should have got the lease');
      await leases.release(gone.lease);
      await pass(subject, AFTER_SHORT_MS);
      const held = await leases.list('work');
      equal(
        [...held].map(([name, { holder }]) => [name, holder]),
        [
          ['work', 'a'],
          ['work/2', 'b'],
        ],
        'listed',
      );
      equal(held.get('work')?.token, lease.token, 'token');
      for (const { remainingMs } of held.values())
        ok(remainingMs > LONG_MS / 2 && remainingMs <= LONG_MS, `remaining ${remainingMs}`);
      equal([...(await leases.list('wörk_%')).keys()], ['wörk_%'], 'every character stands for itself');
      equal((await leases.list('w_rk')).size, 0, 'no character stands for another');
    },
  },
  {
    name: 'tokens rise over many changes of holder',
    requires: [],
    run: async ({ store: { leases } }) => {
      let last = 0;
      for (const holder of ['a', 'b', 'c', 'a', 'b']) {
        const lease = await acquired(leases, holder);
        ok(lease.token > last, `${lease.token} must be above ${last}`);
        last = lease.token;
        await leases.release(lease);
      }
    },
  },
]);
