import { wellKnownKey } from './authorization/master-key.ts';
import { createClock, type EmulatorClock } from './clock.ts';
import type { ConsistencyLevel } from './consistency.ts';
import { DataFolder, type Durability } from './data-folder/data-folder.ts';
import { FaultQueue } from './faults/fault-queue.ts';
import { RequestBudgets } from './faults/request-budget.ts';
import { createGateway, type EmulatorStats, type Gateway } from './gateway.ts';
import { createHttpClient, type InProcessHttpClient } from './http-client.ts';
import { ReadReplica } from './replica.ts';
import { ScriptEngine } from './script/script-engine.ts';
import { type Listener, type ListenOptions, listen } from './server.ts';
import { type EmulatorSnapshot, entriesOf, takeSnapshot } from './snapshot.ts';
import { Account } from './storage/account.ts';
import type { Journal } from './storage/journal.ts';

/** How an emulator is made. */
export interface CosmosEmulatorOptions {
  /** Account key, in base64. @default the well-known key of the Cosmos DB emulators */
  readonly key?: string;
  /** A second key, in base64, that may read but neither write nor see permissions. @default none */
  readonly readOnlyKey?: string;
  /**
   * Physical partitions of each new container, from 1 to 100.
   * @default by its throughput, as on the service: one for each 6,000 RU/s, or 10,000 RU/s with autoscale
   */
  readonly partitions?: number;
  /** Consistency that the account declares: the strongest that a request may ask for. @default 'Session' */
  readonly consistency?: ConsistencyLevel;
  /**
   * Folder to keep the data in; it is made where it is not there, and belongs to one emulator at a time. Making the
   * emulator throws a `DataFolderError` when the folder cannot be used. @default none, all is in memory
   */
  readonly data?: string;
  /** What acknowledged writes to the folder survive: the end of the process, or the loss of power as well. @default 'process' */
  readonly durability?: Durability;
  /** Source of time in milliseconds since the Unix epoch; `emulator.clock` stands on it. @default Date.now */
  readonly now?: () => number;
  /**
   * Milliseconds that a stored procedure, a trigger, or the user-defined functions of one page of a query may take.
   * Nothing else is answered meanwhile: a script holds its partition, and requests run one at a time. @default 5000
   */
  readonly scriptTimeoutMs?: number;
}

/** Which physical partition to split. */
export interface SplitPlace {
  /** Id of the database. */
  readonly database: string;
  /** Id of the container. */
  readonly container: string;
  /** Id of the partition key range. @default the first range */
  readonly range?: string;
}

/** What a `CosmosClient` needs to reach the emulator inside the process. */
export interface InProcessClientOptions {
  readonly endpoint: string;
  readonly key: string;
  readonly httpClient: InProcessHttpClient;
}

/** A name that resolves nowhere: a client that forgets the in-process HTTP client fails at once. */
const inProcessEndpoint = 'https://cosmos-emulator.invalid/';

/**
 * An Azure Cosmos DB account in memory, which the real `@azure/cosmos` client talks to: inside the process through
 * `clientOptions()`, or over HTTP through `listen()`. All its ways in share the same data.
 *
 * @example
 * ```ts
 * import { CosmosClient } from '@azure/cosmos';
 * import { CosmosEmulator } from '@polyphase/cosmos-emulator';
 *
 * await using emulator = new CosmosEmulator();
 * const client = new CosmosClient(emulator.clientOptions());
 * const { database } = await client.databases.createIfNotExists({ id: 'app' });
 * ```
 */
export class CosmosEmulator {
  /** The account key. */
  readonly key: string;
  /** The endpoint for clients that use `httpClient()`; it is no network address. */
  readonly endpoint = inProcessEndpoint;
  /** The emulator's time, behind `_ts`, expiry and date functions. */
  readonly clock: EmulatorClock;
  /** Faults for the requests to come. */
  readonly faults = new FaultQueue();
  /** Budgets of request units, which are not limited otherwise. */
  readonly budgets: RequestBudgets;
  /** The replica that answers reads of weak consistency, and can be made to lag. */
  readonly replica: ReadReplica;
  readonly #stats: EmulatorStats = { requests: 0, requestUnits: 0 };
  readonly #account: Account;
  readonly #folder: DataFolder | undefined;
  readonly #gateway: Gateway;
  readonly #scripts: ScriptEngine;
  readonly #listeners = new Set<Listener>();

  /** Makes an account, empty or with what its folder holds. Throws a RangeError for options out of range. */
  constructor(options: CosmosEmulatorOptions = {}) {
    const {
      key = wellKnownKey,
      readOnlyKey,
      partitions,
      consistency = 'Session',
      durability = 'process',
      scriptTimeoutMs = 5000,
      data,
      now,
    } = options;
    if (partitions !== undefined && !(Number.isInteger(partitions) && partitions >= 1 && partitions <= 100)) {
      throw new RangeError(`partitions must be an integer from 1 to 100, not ${partitions}.`);
    }
    if (!(scriptTimeoutMs > 0 && scriptTimeoutMs <= 3_600_000)) {
      throw new RangeError(
        `scriptTimeoutMs must be a number over 0 and up to an hour, not ${scriptTimeoutMs}.`,
      );
    }
    this.key = key;
    this.clock = createClock(now);
    this.budgets = new RequestBudgets({ clock: this.clock });
    const account = (journal: Journal): Account => new Account({ clock: this.clock, partitions, journal });
    this.replica = new ReadReplica({
      copy: () => {
        const copy = account({ append() {} });
        copy.restore(this.#account.entries());
        return copy;
      },
    });
    const journal: Journal = { append: (...entries) => this.#folder?.append(...entries) };
    this.#account = account(this.replica.following(journal));
    if (data !== undefined) {
      this.#folder = new DataFolder({ directory: data, durability, state: this.#account });
    }
    this.#scripts = new ScriptEngine({ timeoutMs: scriptTimeoutMs });
    this.#gateway = createGateway({
      account: this.#account,
      settled: () => this.#folder?.settled(),
      consistency,
      clock: this.clock,
      faults: this.faults,
      budgets: this.budgets,
      replica: this.replica,
      stats: this.#stats,
      scripts: this.#scripts,
      key,
      readOnlyKey,
    });
  }

  /** Requests and request units so far. */
  get stats(): Readonly<EmulatorStats> {
    return { ...this.#stats };
  }

  /**
   * Splits a physical partition of a container in two, as the service does when it grows. Its range is gone: requests
   * that name it are answered with 410, and clients find the two that follow it, which hold its items, its feed position
   * and its session tokens. A replica that lags catches up. Throws where there is no such container or range, or where it is too narrow.
   *
   * @example
   * ```ts
   * import { CosmosEmulator } from '@polyphase/cosmos-emulator';
   *
   * await using emulator = new CosmosEmulator();
   * const grow = (): void => emulator.split({ database: 'app', container: 'accounts', range: '0' });
   * ```
   */
  split(place: SplitPlace): void {
    this.#account.split(this.#account.container(place.database, place.container), place.range);
    // Replicas split together: one that does not know the new ranges could not answer for them.
    this.replica.catchUp();
  }

  /** Gives the HTTP client for `CosmosClientOptions.httpClient`: requests never leave the process. */
  httpClient(): InProcessHttpClient {
    return createHttpClient(this.#gateway);
  }

  /** Gives all that `new CosmosClient(...)` needs to work in process. */
  clientOptions(): InProcessClientOptions {
    return { endpoint: this.endpoint, key: this.key, httpClient: this.httpClient() };
  }

  /** Starts an HTTP server on the same data. Rejects when the port is taken. */
  async listen(options: ListenOptions = {}): Promise<Listener> {
    const listener = await listen(this.#gateway, options);
    this.#listeners.add(listener);
    return listener;
  }

  /**
   * Takes the state of the account, for `restore`. The clock, faults and statistics are no part of it.
   *
   * @example
   * ```ts
   * import { CosmosEmulator } from '@polyphase/cosmos-emulator';
   * import { beforeEach } from 'vitest';
   *
   * const emulator = new CosmosEmulator();
   * const filled = emulator.snapshot();
   * beforeEach(() => emulator.restore(filled));
   * ```
   */
  snapshot(): EmulatorSnapshot {
    return takeSnapshot(this.#account);
  }

  /**
   * Puts the account back to a snapshot of this or another emulator: items, ETags, resource ids and positions are what
   * they were, and clients see them at once. Resource ids that are given out later are new. Throws a TypeError for what is no
   * snapshot, and what the data folder throws; the account then stays as it is.
   */
  restore(snapshot: EmulatorSnapshot): void {
    const entries = [...entriesOf(snapshot)];
    const before = this.#folder === undefined ? [] : [...this.#account.entries()];
    this.#account.restore(entries);
    try {
      this.#folder?.rewrite();
    } catch (error) {
      this.#account.restore(before);
      throw error;
    }
    this.replica.resume();
  }

  /**
   * Closes every server that `listen` started, the process of scripts, and the data folder: what was written is on the disk then, and nothing
   * can be written any more. Without a folder, the data stays for clients in the process.
   */
  async close(): Promise<void> {
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
    this.#listeners.clear();
    await this.#scripts.close();
    await this.#folder?.close();
  }

  /** The same as `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
