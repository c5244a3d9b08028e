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

  it('keeps splits, every change and absent keys, through JSON', () => {
    const log: JournalEntry[] = [];
    const account = accountWith(log);
    account.create({ collection: 'dbs', parent: undefined, body: { id: 'app' }, ridBytes: 4 });
    const definition = {
      id: 'kept',
      partitionKey: { paths: ['/pk'] },
      changeFeedPolicy: { retentionDuration: 5 },
    };
    const container = account.createContainer(account.address(['dbs', 'app', 'colls']), definition);
    const write = (id: string, pk?: string): void => {
      const transaction = container.begin([pk]);
      const old = transaction.find(id);
      if (old !== undefined) transaction.delete(old);
      else transaction.put({ id, ...(pk === undefined ? {} : { pk }) }, undefined);
      transaction.commit();
    };
    for (const key of ['a', 'b', 'c', undefined]) write('1', key);
    account.split(container, undefined);
    for (const key of ['a', undefined]) write('1', key);

    for (const entries of [log, [...account.entries()]]) {
      const again = accountWith([]);
      const lines = entries.map((entry) => JSON.stringify(entry));
      for (const line of lines) again.apply(JSON.parse(line) as JournalEntry);
      expect([...again.entries()].map((entry) => JSON.stringify(entry))).toEqual(
        [...account.entries()].map((entry) => JSON.stringify(entry)),
      );
      const same = again.container('app', 'kept');
      expect(same.physicalPartitions.map(({ id }) => id)).toEqual(['2', '3', '1']);
      expect(same.begin([undefined]).find('1')).toBeUndefined();
      expect(same.begin(['c']).find('1')).toMatchObject({ id: '1' });
      const operations = same.physicalPartitions.flatMap((physical) =>
        [...(same.historyOf(physical)?.after(0) ?? [])].map(({ operation }) => operation),
      );
      expect(operations.toSorted()).toEqual(['create', 'create', 'create', 'create', 'delete', 'delete']);
    }
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

  it('holds offers and renamed users, with what is below them', () => {
    const log: JournalEntry[] = [];
    const account = accountWith(log);
    fill(account);
    const users = account.address(['dbs', 'app', 'users']);
    const ann = account.create({ ...users, body: { id: 'ann' }, ridBytes: 8 });
    const permissions = account.address(['dbs', 'app', 'users', 'ann', 'permissions']);
    account.create({ ...permissions, body: { id: 'p' }, ridBytes: 16 });
    account.replace(users.collection, ann, { id: 'anna' });
    const colls = account.address(['dbs', 'app', 'colls']);
    for (const id of ['with offer', 'gone again']) {
      account.createContainer(
        colls,
        { id, partitionKey: { paths: ['/pk'] } },
        { kind: 'manual', units: 400 },
      );
    }
    account.delete(colls.collection, 'gone again');
    const again = accountWith([]);
    for (const entry of log) again.apply(entry);
    expect([...again.entries()]).toEqual([...account.entries()]);
    expect(again.list('dbs/app/users/ann/permissions')).toEqual([]);
    expect(again.read('dbs/app/users/anna/permissions', 'p').id).toBe('p');
    expect(again.list('offers').map(({ offerResourceId }) => offerResourceId)).toEqual([
      again.container('app', 'with offer').rid,
    ]);
  });
});
