import type { GateAnswer, Phase } from '@polyphase/core';
import type { PlannedStep } from './hybrid-status.ts';
import type { StalledRange } from './relay/stall-alarm.ts';
import type { ShadowMismatch } from './shadow/shadow-reads.ts';

/** What a hybrid tells whoever listens. Names are stable; payloads may gain fields. */
export interface HybridNotices {
  /** The control row of an entity changed its phase. */
  readonly phase: {
    readonly entity: string;
    readonly from: Phase;
    readonly to: Phase;
    readonly term: number;
  };
  /** A gate refused a step; it is tried again. */
  readonly blocked: { readonly entity: string; readonly to: Phase; readonly answers: readonly GateAnswer[] };
  /** A background loop failed and goes on after a pause. */
  readonly trouble: { readonly entity: string; readonly where: string; readonly error: unknown };
  /** A range of the change feed stands still. Told once, by one process of those that watch; `status(name).stalled` shows it until it moves on. */
  readonly stalled: { readonly entity: string } & StalledRange;
  /** A second write of the dual phases was skipped; the change feed will bring it. */
  readonly inlineSkipped: { readonly entity: string; readonly error: unknown };
  /** PostgreSQL would have answered a read otherwise, seen twice. `status(name).shadow` has the counts. */
  readonly shadowMismatch: { readonly entity: string } & ShadowMismatch;
  /** Another config was taken from the source, with the steps that lie ahead. */
  readonly config: { readonly revision: number; readonly steps: readonly PlannedStep[] };
  /** What the source holds was refused, or cannot be reached: the running config stays. Told once for each reason. */
  readonly configKept: { readonly error: unknown };
  /** The cache could not be used; the authority answered. */
  readonly cacheTrouble: { readonly entity: string; readonly error: unknown };
  /** Changes were copied from store to store. */
  readonly copied: {
    readonly entity: string;
    readonly direction: 'forward' | 'reverse';
    readonly records: number;
  };
}
