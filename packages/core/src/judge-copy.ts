import type { StoredRecord } from './record.ts';
import type { RecordCopy } from './record-store.ts';
import { type CopyVerdict, compareCopies } from './record-write.ts';
import { compareVersions } from './version.ts';

/**
 * Decides what becomes of a copy where `there` is stored: {@link compareCopies}, and the copy's own conditions. Only a `newer` one
 * may be written. `changed`: the record there no longer has `ifEtag`. `straggler` is also a record there of an earlier term that
 * the copy does not descend from (`base`): it must be kept before it is overwritten.
 */
export function judgeCopy(copy: RecordCopy, there: StoredRecord | undefined): CopyVerdict | 'changed' {
  if (copy.ifEtag !== undefined && copy.ifEtag !== there?.etag) return 'changed';
  const verdict = compareCopies(copy.record, there);
  const { base } = copy;
  if (verdict !== 'newer' || !there || !base || there.version.term === copy.record.version.term)
    return verdict;
  // What carries no stamp has no place in any order: it is known by its body alone.
  if (there.version.term === 0)
    return there.digest === base.digest || there.digest === copy.record.digest ? 'newer' : 'straggler';
  const known = compareVersions(there.version, base);
  return known < 0 || (known === 0 && there.digest === base.digest) ? 'newer' : 'straggler';
}
