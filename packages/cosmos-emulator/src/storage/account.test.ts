import { describe, expect, it } from 'vitest';
import { createClock } from '../clock.ts';
import { Account } from './account.ts';
import type { JournalEntry } from './journal.ts';

function accountWith(entries: JournalEntry[]): Account {
  const journal = { append: (...more: JournalEntry[]) => void entries.push(...more) };
  return new Account({ clock: createClock(() => 1_700_000_000_000), partitions: 2, journal });
}

/** Two containers; in one, an older item is written again after a newer one, and another is deleted last of all. */
function fill(account: Account): void {
  account.create({ collection: 'dbs', parent: undefined, body: { id: 'app' }, ridBytes: 4 });
  const address = account.address(['dbs', 'app', 'colls']);
  account.createContainer(address, { id: 'gone', partitionKey: { paths: ['/pk'] } });
  const container = account.createContainer(address, { id: 'kept', partitionKey: { paths: ['/pk'] } });
  const put = (id: string): void => {
    const transaction = container.begin(['a']);
    transaction.put({ id, pk: 'a' }, transaction.find(id));
    transaction.commit();
  };
  for (const id of ['first', 'second', 'third', 'first']) put(id);
  const transaction = container.begin(['a']);
  const third = transaction.find('third');
  if (third !== undefined) transaction.delete(third);
  transaction.commit();
  account.delete('dbs/app/colls', 'gone');
}

describe('the journal of an account', () => {
  it('makes the same state again, entry by entry', () => {
    const log: JournalEntry[] = [];
    const account = accountWith(log);
    fill(account);
    const again = accountWith([]);
    for (const entry of log) again.apply(entry);
    expect([...again.entries()]).toEqual([...account.entries()]);
  });

  it('can be shortened to the state alone, in which creation and writes keep their order', () => {
    const account = accountWith([]);
    fill(account);
    const again = accountWith([]);
    for (const entry of account.entries()) again.apply(entry);
    expect([...again.entries()]).toEqual([...account.entries()]);
    const container = again.container('app', 'kept');
    expect([...container.items()].map(({ id }) => id)).toEqual(['first', 'second']);
    const physical = container.physicalOf(['a']);
    expect([...container.changes(physical, 0, {})].map(({ id }) => id)).toEqual(['second', 'first']);
    expect(physical.lsn).toBe(5);
  });

  it('goes on with new resource ids and numbers where the old ones ended', () => {
    const account = accountWith([]);
    fill(account);
    const again = accountWith([]);
    for (const entry of account.entries()) again.apply(entry);
    const address = again.address(['dbs', 'app', 'colls']);
    const created = again.createContainer(address, { id: 'new', partitionKey: { paths: ['/pk'] } });
    const next = account.createContainer(address, { id: 'new', partitionKey: { paths: ['/pk'] } });
    expect(created.rid).toBe(next.rid);
  });

  it('can be put back, to the last number', () => {
    const account = accountWith([]);
    fill(account);
    const before = [...account.entries()];
    const old = account.container('app', 'kept').rid;
    account.delete('dbs', 'app');
    fill(account);
    account.restore(before);
    expect([...account.entries()].slice(1)).toEqual(before.slice(1));
    expect(account.container('app', 'kept').rid).toBe(old);
  });

  it('refuses what it could not keep, and leaves the state as it was', () => {
    const full = new Account({
      clock: createClock(),
      partitions: 1,
      journal: {
        append() {
          throw new Error('The disk is full.');
        },
      },
    });
    const database = { collection: 'dbs', parent: undefined, body: { id: 'app' }, ridBytes: 4 };
    expect(() => full.create(database)).toThrow('The disk is full.');
    expect(full.list('dbs')).toEqual([]);
  });
});
