import { partitionOf, type RecordSummary } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement, textCell } from '../statement.ts';
import { type Table, tableName } from '../table.ts';

/** Where a scan goes on: after this row, up to a bucket. */
export interface ScanPosition {
  readonly bucket: number;
  readonly pk: string;
  readonly id: string;
  readonly toBucket: number;
  readonly limit: number;
}

/** A summary, and the place of its row. */
export interface ScanRow {
  readonly summary: RecordSummary;
  readonly bucket: number;
  readonly pk: string;
}

/** Reads a page of keys, versions, digests and expiries, by bucket, partition text and id; expired rows are left out. */
export function scanRecords(table: Table): Statement<ScanPosition, ScanRow> {
  const id = sql.id(table.idColumn);
  return defineStatement<ScanPosition, ScanRow>(
    (slot) => sql`
      select hyb_bucket, hyb_pk, ${id}, hyb_term, hyb_counter, hyb_digest,
        (extract(epoch from case when not hyb_deleted then hyb_expires_at end) * 1000)::bigint
      from ${tableName(table)}
      where (hyb_bucket, hyb_pk, ${id}) > (
          ${slot((at) => String(at.bucket))}::smallint, ${slot((at) => at.pk)}::text, ${slot((at) => at.id)}::text
        )
        and hyb_bucket < ${slot((at) => String(at.toBucket))}::smallint
        and (hyb_deleted or hyb_expires_at is null or hyb_expires_at > statement_timestamp())
      order by hyb_bucket, hyb_pk, ${id}
      limit ${slot((at) => String(at.limit))}::int`,
    ([bucket, pk, rowId, term, counter, digest, expiresAtMs]) => ({
      summary: {
        key: { partition: partitionOf(textCell(pk)), id: textCell(rowId) },
        version: { term: numberCell(term), counter: numberCell(counter) },
        digest: textCell(digest),
        ...(expiresAtMs === null ? {} : { expiresAtMs: numberCell(expiresAtMs) }),
      },
      bucket: numberCell(bucket),
      pk: textCell(pk),
    }),
  );
}
