import type { Account } from './account.ts';

/** What is measured. Each does one unit of work, told apart by its number. */
export const operationNames = [
  'get',
  'getAlone',
  'insert',
  'update',
  'query100',
  'getMany100',
  'bulkNew',
  'bulkNewer',
] as const;

/** The name of one unit of work. */
export type OperationName = (typeof operationNames)[number];

/** A library under measurement: its own table, filled with the same rows, and its way to do each unit of work. */
export interface Contender {
  readonly name: string;
  /** Reads one row by its key. */
  get(account: Account): Promise<unknown>;
  /** Writes a row that is not there. */
  insert(account: Account): Promise<unknown>;
  /** Writes a row that is there, if it is still at the version that was last written. */
  update(account: Account): Promise<unknown>;
  /** Reads the first hundred rows of a tenant, oldest first. */
  query100(tenantId: string): Promise<readonly unknown[]>;
  /** Reads a hundred rows by their keys. */
  getMany100(accounts: readonly Account[]): Promise<readonly unknown[]>;
  readonly bulk?: Bulk;
  close(): Promise<void>;
}

/** Stores pages of rows. */
export interface Bulk {
  /** Whether it stores over rows that are there, those that are older; else it is only given new ones. */
  readonly over: boolean;
  /** Makes a page ready as it comes from elsewhere, before the clock starts; what is given back stores it. */
  ready(page: readonly Account[], version: number): () => Promise<unknown>;
}

/** What a contender is made from. */
export interface Ground {
  /** A database of its own. */
  readonly url: string;
  /** Connections that it may hold. */
  readonly connections: number;
  /** Rows that are there when measuring begins. */
  readonly accounts: readonly Account[];
}

/** Makes a contender ready: schema made, rows there, connections open. */
export type MakeContender = (ground: Ground) => Promise<Contender>;
