import {
  authorityOf,
  type Change,
  type ChangeFeed,
  type CheckpointAdvance,
  type ControlRow,
  compareCopies,
  compareVersions,
  type FeedPage,
  type FeedRange,
  firstCounter,
  InvalidDataError,
  isJsonObject,
  type Journaled,
  type JsonObject,
  keyOfValue,
  keyText,
  type RecordCopy,
  type StoredRecord,
  sameExpiry,
} from '@polyphase/core';
import type { Group } from '../phases/group.ts';
import type { Membership } from '../phases/membership.ts';
import { Turns } from './turns.ts';

const PAGE = 500;
const DRAIN_PAUSE_MS = 10;

type RecordChange = Extract<Change, { kind: 'record' }>;

/** A page, and the control row as it was before the page was read. */
interface ReadPage {
  readonly range: FeedRange;
  readonly page: FeedPage;
  readonly row: ControlRow | undefined;
}

/** When documents without a valid stamp were found. */
interface Found {
  readonly term: number;
  readonly serverNowMs: number;
}

const WRITTEN_AROUND =
  'The document was written around the SDK after PostgreSQL became the authority; decide which body holds';
const ROW_AHEAD =
  'The row in PostgreSQL is of a later term than the authority; find out where it came from, and remove it';

/** What one round over all ranges did. */
export interface RelayRound {
  /** Records that were written to PostgreSQL. */
  readonly applied: number;
  /** Whether every range had nothing more to give. */
  readonly idle: boolean;
}

/** Where the relay is. */
export interface RelayProgress {
  /** Records read since the relay was made. */
  readonly read: number;
  /** Whether PostgreSQL has held everything that Cosmos DB had at some moment since: the backfill is done. */
  readonly historyRead: boolean;
}

/**
 * Copies committed changes from Cosmos DB's change feed to PostgreSQL: from the beginning of history, so that it is backfill and
 * capture in one order per key.
 *
 * While Cosmos DB is the authority, a page goes through four states: read; stamped (documents without a valid stamp get one in
 * Cosmos DB first, under their ETag); applied together with the checkpoint, in one transaction, under this process's fencing
 * token; or given up (the token was lost, so the transaction rolls back and another relay reads the page again).
 * While PostgreSQL is the authority it only watches: what a straggler or a foreign writer left in Cosmos DB goes to the journal.
 */
export class FeedRelay {
  readonly #group: Group;
  readonly #feed: ChangeFeed;
  readonly #membership: Membership;
  readonly #positions = new Map<string, { position: string; revision: number }>();
  #ranges: readonly FeedRange[] = [];
  #read = 0;
  #historyRead = false;
  #serverNowMs: number | undefined;
  #sent: { readonly startedAt: number; readonly markers: ReadonlyMap<string, string> } | undefined;
  readonly #turns = new Turns();

  constructor(options: {
    readonly group: Group;
    readonly feed: ChangeFeed;
    readonly membership: Membership;
  }) {
    this.#group = options.group;
    this.#feed = options.feed;
    this.#membership = options.membership;
  }

  /** Where the relay is. */
  get progress(): RelayProgress {
    return { read: this.#read, historyRead: this.#historyRead };
  }

  /** The date of Cosmos DB when it answered last, in milliseconds. */
  get serverNowMs(): number | undefined {
    return this.#serverNowMs;
  }

  /** Reads one page of each range and copies it. Everything that Cosmos DB had committed before an idle round is in PostgreSQL after it. */
  round(signal: AbortSignal): Promise<RelayRound> {
    return this.#turns.run(() => this.#round(signal), signal);
  }

  async #round(signal: AbortSignal): Promise<RelayRound> {
    const startedAt = this.#group.clock.monotonic();
    if (this.#ranges.length === 0) await this.#start(signal);
    let applied = 0;
    let idle = true;
    try {
      for (const range of this.#ranges) {
        // As it was before the page was read: what is stamped belongs to the term in which it was found.
        const { row } = this.#group;
        const position = this.#positions.get(range.id)?.position;
        const page = await this.#feed.read(range, position, { limit: PAGE, signal });
        applied += await this.#copy({ range, page, row }, signal);
        this.#serverNowMs = page.serverNowMs;
        idle &&= page.idle;
      }
    } catch (error) {
      // Whether the page was committed is not known here, and a range may be gone: where to go on is read from the stores.
      this.#ranges = [];
      throw error;
    }
    if (idle) this.#caughtUp(startedAt);
    else await this.#pulse(signal);
    return { applied, idle };
  }

  // A feed that never falls idle proves nothing by itself. So a marker is sent through it, one at a time: when it has come out,
  // everything that was committed before it is in PostgreSQL.
  async #pulse(signal: AbortSignal): Promise<void> {
    if (!this.#sent) {
      const startedAt = this.#group.clock.monotonic();
      this.#sent = { startedAt, markers: await this.#mark(signal) };
    } else if (!this.#isBehind(this.#sent.markers)) this.#caughtUp(this.#sent.startedAt);
  }

  #caughtUp(asOf: number): void {
    this.#sent = undefined;
    this.#historyRead = true;
    this.#group.noteFresh(asOf);
  }

  async #mark(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const markers = new Map<string, string>();
    for (const range of this.#ranges) markers.set(range.id, await this.#feed.mark(range, { signal }));
    return markers;
  }

  #isBehind(markers: ReadonlyMap<string, string>): boolean {
    return [...markers].some(
      ([range, marker]) => !this.#feed.passed(this.#positions.get(range)?.position, marker),
    );
  }

  /** Writes a marker into each range and resolves when PostgreSQL holds everything that was committed before them. */
  async drain(signal: AbortSignal): Promise<void> {
    // In a turn of its own: a round that is under way goes by what #start would change.
    const markers = await this.#turns.run(async () => {
      if (this.#ranges.length === 0) await this.#start(signal);
      return this.#mark(signal);
    }, signal);
    while (this.#isBehind(markers)) {
      // A feed may lag behind its own marker, and falls idle meanwhile: that proves nothing.
      const { idle } = await this.round(signal);
      if (idle && this.#isBehind(markers)) await this.#group.clock.sleep(DRAIN_PAUSE_MS, signal);
    }
  }

  async #start(signal: AbortSignal): Promise<void> {
    const prefix = this.#checkpointName('');
    const known = (await this.#group.stores.postgres?.checkpoints.list(prefix, { signal })) ?? new Map();
    this.#positions.clear();
    for (const [name, checkpoint] of known) this.#positions.set(name.slice(prefix.length), { ...checkpoint });
    this.#ranges = await this.#feed.ranges({ signal });
  }

  #checkpointName(range: string): string {
    return `feed:${this.#group.entity.name}:${range}`;
  }

  async #copy({ range, page, row }: ReadPage, signal: AbortSignal): Promise<number> {
    const at = this.#positions.get(range.id);
    if (page.changes.length === 0 && page.position === at?.position) return 0;
    const records = page.changes
      .filter((change): change is RecordChange => change.kind === 'record')
      .map((change) => change.record);
    const { copies, journal } =
      row && authorityOf(row.phase) === 'postgres'
        ? await this.#watch(records, signal)
        : await this.#stamp(records, { term: row?.term ?? 1, serverNowMs: page.serverNowMs }, signal);
    journal.push(...page.changes.flatMap((change) => this.#deadLetter(change)));
    // Before the checkpoint: if this ends in between, the page is read again.
    await this.#resolve(copies, signal);

    const checkpoint: CheckpointAdvance = {
      name: this.#checkpointName(range.id),
      expected: at?.revision ?? 0,
      position: page.position,
      lease: this.#membership.proof(),
    };
    const judgedIn = row && { group: row.group, term: row.term };
    const outcomes = await this.#group
      .records('postgres')
      .apply(copies, { checkpoint, judgedIn, journal, signal });
    this.#positions.set(range.id, { position: page.position, revision: checkpoint.expected + 1 });
    this.#read += page.changes.length;
    return outcomes.filter((outcome) => outcome.kind === 'applied').length;
  }

  // Cosmos DB is the authority. A document without a stamp, or one that is not above the row and yet differs from it (an old stamp
  // put back, a body changed under it, a lifetime begun anew), gets a new stamp before anything else. If its ETag has moved on, it
  // was only old: what moved it comes later in the feed.
  async #stamp(
    records: readonly StoredRecord[],
    found: Found,
    signal: AbortSignal,
  ): Promise<{ copies: RecordCopy[]; journal: Journaled[] }> {
    const rows = await this.#rows(records, signal);
    const copies: RecordCopy[] = [];
    const stamps: RecordCopy[] = [];
    const journal: Journaled[] = [];
    for (const [i, record] of records.entries()) {
      const row = rows[i];
      const verdict = compareCopies(record, row);
      const isFit = verdict === 'newer' || (verdict === 'same' && expireTogether(record, row));
      if (record.version.term !== 0 && isFit) copies.push({ record });
      // A row of a later term (a table put back from elsewhere) stands above every stamp of this one: stamping would never end.
      else if (row && row.version.term > found.term) {
        // Unless the authority moved while the page was on its way: then the row is no stray, and the rules of that side hold.
        const isStray = row.version.term > this.#group.term;
        if (!isStray && record.version.term !== 0) copies.push({ record });
        else if (record.digest !== row.digest)
          journal.push(this.#conflict(record, row, isStray ? ROW_AHEAD : WRITTEN_AROUND));
      } else stamps.push({ record: stamped(record, row, found), ifEtag: record.etag });
    }
    if (stamps.length > 0) {
      const outcomes = await this.#group.records('cosmos').apply(stamps, { signal });
      for (const outcome of outcomes) if (outcome.kind === 'applied') copies.push({ record: outcome.record });
    }
    return { copies, journal };
  }

  // PostgreSQL is the authority: nothing is stamped any more. What carries a stamp goes through the conditional apply, which keeps
  // stragglers; what carries none was written around the SDK, and both bodies are kept for a person to decide.
  async #watch(
    records: readonly StoredRecord[],
    signal: AbortSignal,
  ): Promise<{ copies: RecordCopy[]; journal: Journaled[] }> {
    const foreign = records.filter((record) => record.version.term === 0);
    const rows = await this.#rows(foreign, signal);
    const journal = foreign.flatMap((record, i) =>
      record.digest === rows[i]?.digest ? [] : [this.#conflict(record, rows[i], WRITTEN_AROUND)],
    );
    const ours = records.filter((record) => compareVersions(record.version, { term: 0, counter: 0 }) > 0);
    await this.#correct(ours, signal);
    return { copies: ours.map((record) => ({ record })), journal };
  }

  // What was long on its way to Cosmos DB, or was touched there under its stamp, would outlive its row, or end before it. Before the
  // checkpoint, too: nobody would look again.
  async #correct(records: readonly StoredRecord[], signal: AbortSignal): Promise<void> {
    if (this.#group.entity.ttl === undefined) return;
    const rows = await this.#rows(records, signal);
    const off = records.flatMap((record, i): readonly RecordCopy[] => {
      const row = rows[i];
      const isOff = compareCopies(record, row) === 'same' && !expireTogether(record, row);
      return row && isOff ? [{ record: row }] : [];
    });
    if (off.length > 0) await this.#group.records('cosmos').apply(off, { signal });
  }

  async #rows(
    records: readonly StoredRecord[],
    signal: AbortSignal,
  ): Promise<readonly (StoredRecord | undefined)[]> {
    if (records.length === 0) return [];
    return this.#group.records('postgres').readMany(
      records.map((record) => record.key),
      { signal },
    );
  }

  #conflict(theirs: StoredRecord, ours: StoredRecord | undefined, reason: string): Journaled {
    const text = (value: JsonObject | undefined) => (value === undefined ? undefined : JSON.stringify(value));
    return {
      kind: 'conflict',
      entity: this.#group.entity.name,
      key: keyText(theirs.key),
      reason,
      issues: [],
      bodies: { theirs: text(theirs.value), ours: text(ours?.value) },
    };
  }

  #deadLetter(change: Change): Journaled[] {
    if (change.kind === 'record') return [];
    const { issues, body } = change;
    return [
      {
        kind: 'dead-letter',
        entity: this.#group.entity.name,
        key: this.#nameOf(change),
        reason:
          'The document cannot be stored as a record; mend it in Cosmos DB, or declare the entity loose',
        issues,
        bodies: { theirs: body, ours: undefined },
      },
    ];
  }

  // A label may be that of several documents. Where there is a key, a later version of the document is known by it.
  #nameOf({ label, body }: Extract<Change, { kind: 'unmappable' }>): string {
    try {
      const document: unknown = JSON.parse(body);
      return isJsonObject(document) ? keyText(keyOfValue(this.#group.entity, document)) : label;
    } catch (error) {
      if (InvalidDataError.isInstance(error) || error instanceof SyntaxError) return label;
      throw error;
    }
  }

  async #resolve(copies: readonly RecordCopy[], signal: AbortSignal): Promise<void> {
    const journal = this.#group.stores.postgres?.journal;
    const { name } = this.#group.entity;
    if (!journal || copies.length === 0 || (await journal.count(name, { signal })).deadLetters === 0) return;
    await journal.resolve(
      name,
      copies.map((copy) => keyText(copy.record.key)),
      { signal },
    );
  }
}

function expireTogether(record: StoredRecord, row: StoredRecord | undefined): boolean {
  return !row || record.value === undefined || sameExpiry(record, row);
}

function stamped(record: StoredRecord, row: StoredRecord | undefined, found: Found): StoredRecord {
  const counter = Math.max(
    firstCounter(found.serverNowMs),
    (row?.version.counter ?? 0) + 1,
    record.version.counter + 1,
  );
  return { ...record, version: { term: found.term, counter } };
}
