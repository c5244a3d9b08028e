import type { Permit } from '../permit.ts';
import type { DocumentStore } from '../store.ts';
import { equal } from './assert.ts';
import { type ContractCase, suite } from './contract.ts';

type Host = Pick<DocumentStore, 'permits'>;

const GROUP = 'contract';
const permit = (epoch: number, fields: Partial<Permit> = {}): Permit => ({
  epoch,
  open: true,
  opening: epoch,
  term: 1,
  leaseMs: 30_000,
  drainMs: 30_000,
  tombstones: false,
  ...fields,
});

/** The permit: it alone grants leases to write documents. */
export const permitCases: readonly ContractCase<Host>[] = suite<Host>('permit', [
  {
    name: 'a permit is made once, and read as it was made',
    requires: [],
    run: async ({ store: { permits } }) => {
      equal(await permits.read(GROUP), undefined, 'none yet');
      equal(await permits.create(GROUP, permit(0)), permit(0), 'made');
      equal(await permits.create(GROUP, permit(5)), permit(0), 'the one that is there');
      equal(await permits.read(GROUP), permit(0), 'read');
      equal(await permits.read('another'), undefined, 'another group');
    },
  },
  {
    name: 'of creates at the same time one wins, and all learn which',
    requires: [],
    run: async ({ store: { permits } }) => {
      const made = await Promise.all([1, 2, 3, 4].map((term) => permits.create(GROUP, permit(0, { term }))));
      equal(new Set(made.map((it) => it.term)).size, 1, 'one permit');
    },
  },
  {
    name: 'a projection goes in only over the permit that it was derived from, and tells what is there afterwards',
    requires: [],
    run: async ({ store: { permits } }) => {
      equal(await permits.project(GROUP, permit(3), { over: undefined }), permit(3), 'over nothing');
      equal(
        await permits.project(GROUP, permit(4), { over: undefined }),
        permit(3),
        'no longer over nothing',
      );
      equal(
        await permits.project(GROUP, permit(4), { over: 2 }),
        permit(3),
        'over one that was there before',
      );
      const closed = permit(4, { open: false, opening: 3, leaseMs: 5_000 });
      equal(await permits.project(GROUP, closed, { over: 3 }), closed, 'over the one that is there');
      equal(await permits.read(GROUP), closed, 'read');
    },
  },
  {
    name: 'of projections over one permit at the same time one goes in, and all learn which',
    requires: [],
    run: async ({ store: { permits } }) => {
      await permits.create(GROUP, permit(0));
      const epochs = [3, 1, 5, 2, 4];
      const answers = await Promise.all(
        epochs.map((epoch) => permits.project(GROUP, permit(epoch), { over: 0 })),
      );
      equal(new Set(answers.map(({ epoch }) => epoch)).size, 1, 'one permit');
      equal(await permits.read(GROUP), answers[0], 'read');
    },
  },
  {
    name: 'a lease names its opening, term and length; a closed or absent permit grants none',
    requires: [],
    run: async ({ store: { permits } }) => {
      equal(await permits.renew(GROUP, 'me'), undefined, 'absent');
      await permits.create(GROUP, permit(0));
      equal(
        await permits.renew(GROUP, 'me'),
        { opening: 0, term: 1, leaseMs: 30_000, tombstones: false },
        'open',
      );
      await permits.project(GROUP, permit(1, { open: false, opening: 0 }), { over: 0 });
      equal(await permits.renew(GROUP, 'me'), undefined, 'closed');
      await permits.project(GROUP, permit(2, { opening: 2, term: 3, leaseMs: 5_000, tombstones: true }), {
        over: 1,
      });
      equal(
        await permits.renew(GROUP, 'me'),
        { opening: 2, term: 3, leaseMs: 5_000, tombstones: true },
        'open again',
      );
    },
  },
  {
    name: 'many holders renew at the same time, and leave the permit as it is',
    requires: [],
    run: async ({ store: { permits } }) => {
      await permits.create(GROUP, permit(1));
      const holders = Array.from({ length: 12 }, (_, i) => `holder ${i}`);
      const leases = await Promise.all(holders.map((holder) => permits.renew(GROUP, holder)));
      equal(
        leases.every((it) => it?.opening === 1),
        true,
        'all have one',
      );
      equal(await permits.read(GROUP), permit(1), 'unchanged');
    },
  },
  {
    name: 'renewals beside a closing: none is granted after it was closed',
    requires: [],
    run: async ({ store: { permits } }) => {
      await permits.create(GROUP, permit(1));
      const early = [1, 2, 3, 4].map((i) => permits.renew(GROUP, `early ${i}`));
      const closing = permits.project(GROUP, permit(2, { open: false, opening: 1 }), { over: 1 });
      const late = closing.then(() => Promise.all([1, 2, 3].map((i) => permits.renew(GROUP, `late ${i}`))));
      equal((await closing).open, false, 'the closing gets through');
      await Promise.all(early);
      equal((await late).filter((it) => it !== undefined).length, 0, 'granted after closing');
    },
  },
  {
    name: 'drained lowers the drain only while the epoch is unchanged',
    requires: [],
    run: async ({ store: { permits } }) => {
      await permits.drained(GROUP, 1, 5_000);
      equal(await permits.read(GROUP), undefined, 'nothing to note it on');
      await permits.create(GROUP, permit(4, { leaseMs: 5_000 }));
      await permits.drained(GROUP, 3, 5_000);
      equal((await permits.read(GROUP))?.drainMs, 30_000, 'another epoch');
      await permits.drained(GROUP, 4, 5_000);
      equal(await permits.read(GROUP), permit(4, { leaseMs: 5_000, drainMs: 5_000 }), 'the same epoch');
      equal(
        (await permits.project(GROUP, permit(5), { over: 4 })).epoch,
        5,
        'a later projection still goes in',
      );
    },
  },
]);
