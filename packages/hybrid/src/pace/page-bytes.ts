import type { Change, FeedPage } from '@polyphase/core';

/** Documents of a page that are measured, at most. */
const SAMPLE = 16;
const encoder = new TextEncoder();

/** Bytes of a page's documents as JSON, estimated from some of them: measuring each would cost as much as copying some. */
export function pageBytes({ changes }: FeedPage): number {
  if (changes.length === 0) return 0;
  const step = Math.ceil(changes.length / SAMPLE);
  const sample = changes.filter((_, i) => i % step === 0);
  const bytes = sample.reduce((sum, change) => sum + changeBytes(change), 0);
  return Math.round((bytes / sample.length) * changes.length);
}

/** Bytes of one change's document as JSON. */
export function changeBytes(change: Change): number {
  const text = change.kind === 'record' ? JSON.stringify(change.record.value ?? {}) : change.body;
  return encoder.encode(text).byteLength;
}
