import type { CallOptions, JsonObject, LeaseManager } from '@polyphase/core';
import { isJsonObject } from '@polyphase/core';
import type { CosmosContainer } from '../cosmos-container.ts';
import { FeedPages } from '../feed-pages.ts';
import { assemblePosition, formatPosition, sessionSequence } from '../feed-position.ts';
import type { ProcessorPositions } from './processor-positions.ts';

/** How far processors of a name are behind in one range. */
export interface RangeLag {
  readonly range: string;
  /** Changes that were not taken by a handler yet: writes, of which several to one document come as one. An estimate, too high rather than too low. */
  readonly changes: number;
  /** Age of the oldest of them in milliseconds, by the service's clock; 0 where there is none. */
  readonly ms: number;
  /** The processor that has the range now, by its name in leases; undefined where none has. */
  readonly holder: string | undefined;
}

/** Measures the lag of each range as it is now, from what was noted: the same from any process, at work or not. */
export async function estimateRangeLag(
  from: {
    readonly items: CosmosContainer;
    readonly entity: string;
    readonly key: string;
    readonly positions: ProcessorPositions;
    readonly leases: LeaseManager;
  },
  options: CallOptions,
): Promise<readonly RangeLag[]> {
  const { items, entity, key, positions, leases } = from;
  const beginning = await positions.beginning(options);
  if (!beginning) return [];
  const pages = new FeedPages({ items, entity, allVersions: beginning.allVersions });
  const known = await positions.all(options);
  const holders = await leases.list(`${key}:range:`, options);
  const lags: RangeLag[] = [];
  for (const range of await pages.ranges(options)) {
    const position = assemblePosition(range.id, known);
    const page = await pages.read(
      range,
      {
        position: position && formatPosition(position),
        limit: 1,
        sinceMs: beginning.sinceMs,
      },
      options,
    );
    const [oldest] = page.documents;
    const head = sessionSequence(textOf(page.headers['x-ms-session-token']));
    const nowMs = items.dateOf(page.headers, 'feed');
    lags.push({
      range: range.id,
      ...(oldest ? behind(oldest, { head, nowMs }) : { changes: 0, ms: 0 }),
      holder: holders.get(`${key}:range:${range.id}`)?.holder,
    });
  }
  return lags;
}

// The head of the range is in the session token of the answer, and each change tells its own place. [service]
function behind(
  oldest: JsonObject,
  { head, nowMs }: { readonly head: number | undefined; readonly nowMs: number },
): Pick<RangeLag, 'changes' | 'ms'> {
  const metadata = isJsonObject(oldest['metadata']) ? oldest['metadata'] : {};
  const sequence = Number(oldest['_lsn'] ?? metadata['lsn']);
  const writtenS = Number(oldest['_ts'] ?? metadata['crts']);
  return {
    changes: head === undefined || Number.isNaN(sequence) ? 1 : Math.max(1, head - sequence + 1),
    ms: Number.isNaN(writtenS) ? 0 : Math.max(0, nowMs - writtenS * 1_000),
  };
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
