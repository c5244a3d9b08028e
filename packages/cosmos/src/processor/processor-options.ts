import type { Container } from '@azure/cosmos';
import {
  type CheckpointStore,
  type Clock,
  InvalidOptionsError,
  type JsonObject,
  type LeaseManager,
  systemClock,
} from '@polyphase/core';

/** What the handler of changes is told beside them. */
export interface ChangesContext {
  /** Name of the feed range that the changes are of: changes of one partition key come in order, in one range. */
  readonly range: string;
  /** How often this page was handed over by this process, this time included: 1 is the first. */
  readonly attempt: number;
  /**
   * Aborts when the range is lost to another processor, or the time to stop in is over: end then, and write nothing more. The same
   * changes are handed over again, by whoever has the range.
   */
  readonly signal: AbortSignal;
  /** Rises with each change of holder of the range: a store that refuses lower numbers refuses a processor that was paused. */
  readonly fencingToken: number;
}

/** Where something went wrong. */
export interface ProcessorTrouble {
  /** Name of the feed range; undefined where it was none in particular. */
  readonly range: string | undefined;
  /** `handler`: the handler threw; `feed`: reading, leases or checkpoints failed. */
  readonly where: 'handler' | 'feed';
  /** Whether the processor has ended with this: it can never succeed. Otherwise it tries again by itself. */
  readonly isFatal: boolean;
}

/** What {@link ChangeFeedProcessor} takes. */
export interface ChangeFeedProcessorOptions {
  /** The container whose changes are processed. Its client is the caller's. */
  readonly container: Container;
  /** Name of the work. Processors with the same name share it, wherever they run; those with another see all changes, too. */
  readonly name: string;
  /**
   * Where leases and checkpoints are kept: in a container, best one of its own, of any partition key but `/id`; or in a store that has both, such
   * as `postgresStore(…)` or `cosmosStore(…)`, prepared.
   */
  readonly leases: Container | { readonly leases: LeaseManager; readonly checkpoints: CheckpointStore };
  /**
   * Handles a page of changes: documents as the service tells them, each as it is at the latest, so that changes that follow each other
   * quickly are told as one. At least once: the page comes again when this throws, and when the process dies before its end was noted.
   */
  readonly onChanges: (changes: readonly JsonObject[], context: ChangesContext) => Promise<void> | void;
  /** Hears of every failure, those that are tried again among them. What it throws is ignored. */
  readonly onError: (error: unknown, trouble: ProcessorTrouble) => void;
  /** Where the first processor of this name begins; later ones go on from the checkpoints. @default "now" */
  readonly from?: 'beginning' | 'now' | Date | undefined;
  /**
   * `"all-versions-and-deletes"` tells every version and each delete as the service's change records, for a container whose change feed
   * policy keeps them; it begins now.
   *
   * @default "latest-version"
   */
  readonly mode?: 'latest-version' | 'all-versions-and-deletes' | undefined;
  /** Changes in a page, at most (those of one transactional batch come together). @default 100 */
  readonly maxItems?: number | undefined;
  /** Milliseconds between two looks at a range that had nothing new. @default 1000 */
  readonly pollMs?: number | undefined;
  /** Length of a lease in milliseconds: how long the ranges of a processor that died lie. At least 1,000. @default 30000 */
  readonly leaseMs?: number | undefined;
  /** Where time comes from. @default systemClock */
  readonly clock?: Clock | undefined;
}

/** {@link ChangeFeedProcessorOptions}, checked and complete. */
export interface ProcessorSettings {
  readonly container: Container;
  readonly name: string;
  readonly leases: ChangeFeedProcessorOptions['leases'];
  readonly onChanges: ChangeFeedProcessorOptions['onChanges'];
  readonly onError: ChangeFeedProcessorOptions['onError'];
  readonly from: 'beginning' | 'now' | Date;
  readonly allVersions: boolean;
  readonly maxItems: number;
  readonly pollMs: number;
  readonly leaseMs: number;
  readonly clock: Clock;
}

const MODES: ReadonlySet<unknown> = new Set(['latest-version', 'all-versions-and-deletes']);
const LONGEST_NAME = 100;

const isCount = (value: unknown, least: number): boolean =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= least;

const hasItems = (value: unknown): boolean => typeof value === 'object' && value !== null && 'items' in value;

const hasStores = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'leases' in value && 'checkpoints' in value;

const isStart = (value: unknown): boolean =>
  value === 'beginning' ||
  value === 'now' ||
  (value instanceof Date && !Number.isNaN(value.getTime()) && value.getTime() >= 0);

/**
 * Completes the options.
 *
 * @throws `InvalidOptionsError` that lists every problem
 */
export function parseProcessorOptions(options: ChangeFeedProcessorOptions): ProcessorSettings {
  const { mode = 'latest-version', from = 'now', maxItems = 100, pollMs = 1_000, leaseMs = 30_000 } = options;
  const allVersions = mode === 'all-versions-and-deletes';
  const { name, container, leases, onChanges, onError, clock = systemClock } = options;
  const isNamed = typeof name === 'string' && name !== '' && name.length <= LONGEST_NAME;
  const checks: readonly (readonly [boolean, string])[] = [
    [hasItems(container), 'container must be a Container of @azure/cosmos'],
    [isNamed, `name must be text of 1 to ${LONGEST_NAME} characters`],
    [
      hasItems(leases) || hasStores(leases),
      'leases must be a Container of @azure/cosmos, or a store with leases and checkpoints',
    ],
    [typeof onChanges === 'function', 'onChanges must be a function'],
    [typeof onError === 'function', 'onError must be a function: failures would go unheard'],
    [isStart(from), 'from must be "beginning", "now" or a Date since 1970'],
    [MODES.has(mode), 'mode must be "latest-version" or "all-versions-and-deletes"'],
    [!allVersions || from === 'now', 'from must be "now" where mode is "all-versions-and-deletes"'],
    [isCount(maxItems, 1), 'maxItems must be a whole number above 0'],
    [isCount(pollMs, 1), 'pollMs must be a whole number of milliseconds above 0'],
    [isCount(leaseMs, 1_000), 'leaseMs must be a whole number of milliseconds, 1000 at least'],
  ];
  const problems = checks.flatMap(([isFine, problem]) => (isFine ? [] : [problem]));
  if (problems.length > 0)
    throw new InvalidOptionsError({ message: 'ChangeFeedProcessor cannot be made', problems });
  return Object.freeze({
    container,
    name,
    leases,
    onChanges,
    onError,
    from,
    allVersions,
    maxItems,
    pollMs,
    leaseMs,
    clock,
  });
}
