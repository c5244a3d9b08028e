import type { Container } from '@azure/cosmos';
import {
  type CallOptions,
  type CheckpointStore,
  InvalidOptionsError,
  type LeaseManager,
  retryTransient,
} from '@polyphase/core';
import { CosmosCheckpointStore } from '../cosmos-checkpoint-store.ts';
import { type ContainerInfo, CosmosContainer } from '../cosmos-container.ts';
import { CosmosLeaseManager } from '../cosmos-lease-manager.ts';
import { RequestCharges } from '../request-charge.ts';
import { estimateRangeLag, type RangeLag } from './processor-lag.ts';
import {
  type ChangeFeedProcessorOptions,
  type ProcessorSettings,
  parseProcessorOptions,
} from './processor-options.ts';
import { ProcessorPositions } from './processor-positions.ts';
import { ProcessorRun } from './processor-run.ts';

const DRAIN_MS = 10_000;

/**
 * Processes the change feed of a container, beside other processors of the same name: each has its share of the feed ranges, takes over
 * those of one that died, and goes on with the halves of a range that is split.
 *
 * Guarantee: each change is handed over at least once, those of one partition key in order (after a time in which a processor was away,
 * again from what was noted last). A page is noted when the handler has taken it, and handed over again until it does. Two processors
 * may handle one page at the same time when one was paused past its lease: the signal and the fencing token are for that.
 *
 * Failures of the service and of the network are told, and tried again. It ends by itself only where its container, or that of its
 * leases, is no more.
 *
 * @example
 * ```ts
 * import { CosmosClient } from '@azure/cosmos';
 * import { ChangeFeedProcessor } from '@polyphase/cosmos';
 *
 * const database = new CosmosClient({ endpoint: 'https://example.documents.azure.com', key: '…' }).database('app');
 * await using processor = new ChangeFeedProcessor({
 *   container: database.container('orders'),
 *   leases: database.container('leases'),
 *   name: 'mail',
 *   from: 'beginning',
 *   onChanges: async (changes, { signal }) => {
 *     for (const order of changes) console.log(order['id'], signal.aborted);
 *   },
 *   onError: (error, { range, isFatal }) => console.error(range, isFatal, error),
 * });
 * await processor.start();
 * ```
 */
export class ChangeFeedProcessor implements AsyncDisposable {
  readonly #settings: ProcessorSettings;
  readonly #items: CosmosContainer;
  readonly #stores: { readonly leases: LeaseManager; readonly checkpoints: CheckpointStore };
  readonly #leaseItems: CosmosContainer | undefined;
  readonly #key: string;
  #run: ProcessorRun | undefined;
  #starting: Promise<void> | undefined;

  /** @throws `InvalidOptionsError` listing every problem of the options */
  constructor(options: ChangeFeedProcessorOptions) {
    this.#settings = parseProcessorOptions(options);
    const { container, leases, name } = this.#settings;
    // A name within a name would be counted as one.
    this.#key = `processor:${encodeURIComponent(name)}`;
    const charges = new RequestCharges();
    const itemsOf = (of: Container): CosmosContainer =>
      new CosmosContainer({ container: of, entity: of.id, charges });
    this.#items = itemsOf(container);
    this.#leaseItems = 'checkpoints' in leases ? undefined : itemsOf(leases);
    this.#stores = 'checkpoints' in leases ? leases : storesIn(itemsOf(leases));
  }

  /** Whether it is at work: started, and neither stopped nor ended by a failure that nothing can mend. */
  get isRunning(): boolean {
    return this.#run?.isRunning === true;
  }

  /**
   * Begins to process; resolves when it is at work. Nothing happens where it is at work already. After a stop it may be started again.
   *
   * @throws `InvalidOptionsError` when the container, or that of the leases, is not there or cannot hold them, or the name began in another mode
   * @throws `StoreError` when the container is another one than that with which the name began
   * @throws whatever the stores throw, after some attempts
   */
  async start(options: CallOptions = {}): Promise<void> {
    if (this.isRunning) return;
    this.#starting ??= this.#start(options).finally(() => (this.#starting = undefined));
    return this.#starting;
  }

  /**
   * Ends. No page is begun any more; handlers that have one may end it, and what they took is noted. What is left is handed over to
   * other processors at once. Nothing that the caller opened is closed.
   */
  async stop(
    options: {
      /** Time for handlers in milliseconds; then their signal aborts, and they are not waited for. @default 10000 */
      readonly drainMs?: number | undefined;
    } = {},
  ): Promise<void> {
    await this.#starting?.catch(() => undefined);
    const run = this.#run;
    this.#run = undefined;
    await run?.stop(options.drainMs ?? DRAIN_MS);
  }

  /**
   * How far the processors of this name are behind, range by range: from what was noted, so the same wherever it is asked, and whether
   * this one is at work or not. Empty before the first of them began.
   */
  async estimateLag(options: CallOptions = {}): Promise<readonly RangeLag[]> {
    const { leases, checkpoints } = this.#stores;
    const positions = new ProcessorPositions({ checkpoints, name: this.#key });
    const entity = this.#settings.container.id;
    return estimateRangeLag({ items: this.#items, entity, key: this.#key, positions, leases }, options);
  }

  /** Stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start({ signal }: CallOptions): Promise<void> {
    const settings = this.#settings;
    const { leases, checkpoints } = this.#stores;
    const run = new ProcessorRun({ settings, items: this.#items, key: this.#key, leases, checkpoints });
    const begin = async (): Promise<void> => {
      checkLeaseContainer(await this.#leaseItems?.info({ signal }));
      await run.begin(signal);
    };
    await retryTransient(begin, { clock: settings.clock, signal });
    this.#run = run;
    run.start();
  }
}

// A lease and the checkpoint that leans on it change together, so they are in one logical partition.
function checkLeaseContainer(info: ContainerInfo | undefined): void {
  if (info?.partitionPaths.some((path) => path.length === 1 && path[0] === 'id') !== true) return;
  throw new InvalidOptionsError({
    message:
      'The container of the leases is partitioned by /id, so that no two documents in it can change together; name one with another partition key, such as /partition',
    operation: 'start',
  });
}

function storesIn(items: CosmosContainer): {
  readonly leases: LeaseManager;
  readonly checkpoints: CheckpointStore;
} {
  const itemsOf = (): CosmosContainer => items;
  return { leases: new CosmosLeaseManager({ itemsOf }), checkpoints: new CosmosCheckpointStore({ itemsOf }) };
}
