import {
  type CallOptions,
  type Change,
  type Entity,
  type Issue,
  type RequestCost,
  UNSTAMPED,
} from '@polyphase/core';
import type { Pace } from '../pace/pace.ts';
import { changeBytes } from '../pace/page-bytes.ts';
import type { BackfillSettings } from './backfill-options.ts';

/** A document that could not be stored. */
export interface UnmappableDocument {
  /** A harmless label of its key. */
  readonly label: string;
  readonly issues: readonly Issue[];
}

/** What the copy of one entity will meet, and what it will cost. */
export interface BackfillEstimate {
  readonly entity: string;
  /** Documents and tombstones that were read. */
  readonly records: number;
  /** Bytes of the documents as JSON. */
  readonly bytes: number;
  /** Documents without a stamp, each of which is written once in Cosmos DB before it is copied. */
  readonly unstamped: number;
  /** Number of documents that no record can be made of. */
  readonly unmappable: number;
  /** The first of them, at most 100. */
  readonly examples: readonly UnmappableDocument[];
  readonly requestUnits: {
    /** Of reading the feed: what this dry run was charged. */
    readonly reading: number;
    /** Of stamping, estimated from the documents' sizes. */
    readonly stamping: number;
  };
  /** Seconds that the copy takes at least: as long as this reading took, or as the budget makes it. */
  readonly secondsAtLeast: number;
}

/** What an estimate needs to know of a copy. */
interface EstimateSettings extends Pick<BackfillSettings, 'clock' | 'requestUnitsPerSecond'> {
  readonly stores: Pick<BackfillSettings['stores'], 'cosmos'>;
}

const PAGE = 500;
const EXAMPLES = 100;

/**
 * Request units of a replace, by the size of the document: twice those of a write, since the old one goes from the indexes as the new
 * one comes, with the default indexing policy.
 *
 * @see "Request Units in Azure Cosmos DB", learn.microsoft.com: a write of 1 KB takes about 5 units, one of 100 KB about 50
 */
function stampCost(bytes: number): number {
  return 2 * (5 + 0.45 * Math.max(0, bytes / 1_024 - 1));
}

class Estimate {
  records = 0;
  bytes = 0;
  unstamped = 0;
  unmappable = 0;
  stamping = 0;
  readonly examples: UnmappableDocument[] = [];

  add(change: Change): void {
    const bytes = changeBytes(change);
    this.records += 1;
    this.bytes += bytes;
    if (change.kind === 'unmappable') {
      this.unmappable += 1;
      if (this.examples.length < EXAMPLES) this.examples.push({ label: change.label, issues: change.issues });
    } else if (change.record.version.term === UNSTAMPED.term) {
      this.unstamped += 1;
      this.stamping += stampCost(bytes);
    }
  }
}

/** Reads the whole feed of an entity and tells what a copy will meet. Writes nothing: no stamps, no checkpoints, no tables. */
export async function planBackfill(
  {
    entity,
    settings,
    pace,
  }: { readonly entity: Entity; readonly settings: EstimateSettings; readonly pace: Pace },
  { signal }: CallOptions,
): Promise<BackfillEstimate> {
  const feed = settings.stores.cosmos.changes(entity);
  const estimate = new Estimate();
  let reading = 0;
  const meter = (cost: RequestCost): void => {
    pace.meter(cost);
    reading += cost.requestUnits;
  };
  const startedAt = settings.clock.monotonic();
  for (const range of await feed.ranges({ signal })) {
    let position: string | undefined;
    for (let idle = false; !idle; ) {
      await pace.ready(signal);
      const page = await feed.read(range, position, { limit: PAGE, signal, meter });
      for (const change of page.changes) estimate.add(change);
      ({ position, idle } = page);
    }
  }
  const took = (settings.clock.monotonic() - startedAt) / 1_000;
  const { records, bytes, unstamped, unmappable, examples, stamping } = estimate;
  const budgeted = (reading + stamping) / (settings.requestUnitsPerSecond ?? Number.POSITIVE_INFINITY);
  return {
    entity: entity.name,
    records,
    bytes,
    unstamped,
    unmappable,
    examples,
    requestUnits: { reading, stamping },
    secondsAtLeast: Math.max(took, budgeted),
  };
}
