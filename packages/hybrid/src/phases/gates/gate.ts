import type { GateAnswer, RelationalStore } from '@polyphase/core';
import type { FeedWatch } from '../../relay/feed-watch.ts';
import type { Group } from '../group.ts';
import type { Comparisons } from './comparisons.ts';

/** What gates look at. */
export interface GatePlace {
  readonly group: Group;
  readonly postgres: RelationalStore;
  /** Undefined where there is no Cosmos DB. */
  readonly watch: FeedWatch | undefined;
  readonly comparisons: Comparisons;
}

/** Looks, and answers with what was seen: one answer, or one for each thing that was looked at. */
export type Look = (place: GatePlace, signal: AbortSignal) => Promise<readonly GateAnswer[]>;

/** One thing that must hold before a step. */
export interface Gate {
  /** What it is called in a plan; its answers may be named more closely. */
  readonly name: string;
  readonly look: Look;
  /** How a plan looks, where looking as a step does changes something. @default as a step does */
  readonly foresee?: Look | 'left to the step';
  /** Whether its answer means something before its step is the next one, so that a plan asks at once. @default false */
  readonly ahead?: boolean;
}

/** One answer. */
export function answer(name: string, passed: boolean, seen: string, wanted: string): GateAnswer {
  return { name, passed, seen, wanted };
}
