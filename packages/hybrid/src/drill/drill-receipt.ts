import {
  type CallOptions,
  type CheckpointStore,
  type Entity,
  FencedError,
  type GateAnswer,
  isJsonObject,
  type Phase,
} from '@polyphase/core';
import { SDK_VERSION } from '../sdk-version.ts';

// The clocks of two machines may differ a little; what ends later than that never ended.
const SKEW_MS = 60_000;

/** What a drill that passed leaves behind: the step that arms a flip may ask for it. */
export interface DrillReceipt {
  readonly entity: string;
  /** Version of the SDK that was drilled. */
  readonly sdkVersion: string;
  /** Digest of schema, key, indexes and lifetime: another entity needs another drill. */
  readonly fingerprint: string;
  /** When it ended, as ISO 8601, by the clock of the process. */
  readonly endedAt: string;
  /** Records that were taken from the entity. */
  readonly sampled: number;
  /** Records that were met and not taken: the schema refuses them, or they expire within a minute. */
  readonly leftOut: number;
  /** Writes that were acknowledged while it walked, each of which the next one built on. */
  readonly acknowledged: number;
  /** How long one flip held calls, at most, in milliseconds. */
  readonly heldMs: number;
  /** The phases it went through, each with how long it lasted, in milliseconds. */
  readonly walked: readonly { readonly phase: Phase; readonly ms: number }[];
}

/** What a gate needs of a receipt. */
export type KnownReceipt = Pick<DrillReceipt, 'sdkVersion' | 'fingerprint' | 'endedAt'>;

/** Keeps a receipt beside the control row; a later one takes its place. */
export async function keepReceipt(
  checkpoints: CheckpointStore,
  receipt: DrillReceipt,
  options?: CallOptions,
): Promise<void> {
  const name = nameOf(receipt.entity);
  for (;;) {
    const expected = (await checkpoints.read(name, options))?.revision ?? 0;
    try {
      await checkpoints.advance({ name, expected, position: JSON.stringify(receipt) }, options);
      return;
    } catch (error) {
      // Another drill ended at the same moment.
      if (!FencedError.isInstance(error)) throw error;
    }
  }
}

/** Takes the receipt of an entity away: what passed once passes no longer. */
export async function withdrawReceipt(checkpoints: CheckpointStore, entity: string): Promise<void> {
  await checkpoints.remove(nameOf(entity));
}

/** The receipt of an entity's last drill that passed, if there is one that can be read. */
export async function readReceipt(
  checkpoints: CheckpointStore,
  entity: string,
  options?: CallOptions,
): Promise<KnownReceipt | undefined> {
  const there = await checkpoints.read(nameOf(entity), options);
  return there && parseReceipt(there.position);
}

/** Whether a receipt is there, of this SDK and this entity, and no older than `maxAgeMs`. */
export function judgeReceipt(
  receipt: KnownReceipt | undefined,
  { entity, nowMs, maxAgeMs }: { readonly entity: Entity; readonly nowMs: number; readonly maxAgeMs: number },
): GateAnswer {
  const since = new Date(nowMs - maxAgeMs).toISOString();
  const wanted = `a drill of "${entity.name}" by SDK ${SDK_VERSION}, with the schema of now, that ended after ${since}: run drill({ entities, stores, scratch })`;
  const name = 'drilled';
  if (!receipt) return { name, passed: false, seen: 'no receipt of a drill', wanted };
  const isThisSchema = receipt.fingerprint === entity.fingerprint;
  const ageMs = nowMs - Date.parse(receipt.endedAt);
  const passed = receipt.sdkVersion === SDK_VERSION && isThisSchema && ageMs <= maxAgeMs && ageMs >= -SKEW_MS;
  const seen = `a drill by SDK ${receipt.sdkVersion}, with ${isThisSchema ? 'this' : 'another'} schema, that ended ${ageMs < -SKEW_MS ? 'in the future, ' : ''}at ${receipt.endedAt}`;
  return { name, passed, seen, wanted };
}

// What is no receipt counts as none: the gate then says what to do.
function parseReceipt(text: string): KnownReceipt | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (!isJsonObject(parsed)) return undefined;
    const { sdkVersion, fingerprint, endedAt } = parsed;
    if (typeof sdkVersion !== 'string' || typeof fingerprint !== 'string' || typeof endedAt !== 'string')
      return undefined;
    return Number.isNaN(Date.parse(endedAt)) ? undefined : { sdkVersion, fingerprint, endedAt };
  } catch {
    return undefined;
  }
}

function nameOf(entity: string): string {
  return `drill:${entity}`;
}
