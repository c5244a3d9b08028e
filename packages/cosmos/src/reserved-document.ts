import { type JsonObject, type PartitionLevel, RESERVED_ID_PREFIX } from '@polyphase/core';
import type { ContainerInfo, ItemCall } from './cosmos-container.ts';
import { STAMP_FIELD } from './cosmos-document.ts';
import { withValueAt } from './partition-key.ts';

/** What a document of the SDK is for. */
export type ReservedKind = 'permit' | 'lease' | 'checkpoint' | 'marker';

/** An id for a reserved document. Names keep their prefixes; what an id must not hold is written as its code. */
export function reservedId(kind: ReservedKind, name: string): string {
  const safe = name.replace(/[^\w.:@=-]/gu, (char) => `~${char.codePointAt(0)?.toString(16) ?? ''}~`);
  return `${RESERVED_ID_PREFIX}${kind}:${safe}`;
}

/** The name in an id that {@link reservedId} made. */
export function nameInId(kind: ReservedKind, id: string): string {
  const safe = id.slice(RESERVED_ID_PREFIX.length + kind.length + 1);
  return safe.replace(/~([0-9a-f]+)~/g, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)));
}

/** The logical partition of reserved documents. Those that change together share it. */
export function reservedPartition(info: ContainerInfo): readonly PartitionLevel[] {
  return info.partitionPaths.map(() => `${RESERVED_ID_PREFIX}polyphase`);
}

/** Names a request for a reserved document. */
export function reservedCall(
  info: ContainerInfo,
  id: string,
  call: Pick<ItemCall, 'operation' | 'signal'>,
): ItemCall {
  return { ...call, id, label: id, partition: reservedPartition(info) };
}

/** A document of the SDK: it never expires, says what it is, and has a value of its own wherever the container wants one. */
export function reservedDocument(
  info: ContainerInfo,
  what: {
    readonly kind: ReservedKind;
    readonly id: string;
    readonly content: JsonObject;
    readonly partition?: readonly PartitionLevel[];
    /** Seconds until it may be removed. @default −1: never */
    readonly ttl?: number;
  },
): JsonObject {
  const { kind, id, content, partition = reservedPartition(info), ttl = -1 } = what;
  let document: JsonObject = { id };
  info.partitionPaths.forEach((path, i) => {
    const level = partition[i];
    if (level !== undefined) document = withValueAt(document, path, level);
  });
  for (const path of info.uniqueKeys.flat()) document = withValueAt(document, path, id);
  return { ...document, ttl, [STAMP_FIELD]: { k: kind, ...content } };
}
