import {
  type Clock,
  ConnectionError,
  type ControlRow,
  type DocumentStore,
  type Entity,
  FencedError,
  type Phase,
  type RecordStore,
  type RelationalStore,
  SealedError,
  type WriteLease,
} from '@polyphase/core';
import type { ProtocolLimits } from '../protocol-limits.ts';
import { CallGate, type Ticket } from './call-gate.ts';
import { orAborted } from './or-aborted.ts';
import { PermitLease } from './permit-lease.ts';
import { PHASES, type PhaseRules } from './phase-table.ts';

/** The stores that a hybrid was given; at least one. */
export interface RecordStores {
  readonly cosmos?: DocumentStore | undefined;
  readonly postgres?: RelationalStore | undefined;
}

/** What this process knows of where a group is. */
export type View =
  /** The control row, as this process saw it last. */
  | { readonly kind: 'row'; readonly row: ControlRow }
  /** No row was ever seen, but an open permit: phase 0 to 4, so Cosmos DB answers. */
  | { readonly kind: 'permit'; readonly term: number }
  /** Neither was seen yet. */
  | { readonly kind: 'unknown' };

/**
 * One migrating entity in this process: its stores, where it is in the protocol, the gate its calls pass, and the right to write
 * it to Cosmos DB. Calls read it; only the controller changes it.
 */
export class Group {
  readonly entity: Entity;
  readonly stores: RecordStores;
  readonly clock: Clock;
  readonly limits: ProtocolLimits;
  readonly gate: CallGate;
  readonly #permitLease: PermitLease | undefined;
  readonly #isMember: () => boolean;
  readonly #onPhase: (from: Phase, row: ControlRow) => void;
  #view: View = { kind: 'unknown' };
  #fenced: string | undefined;
  #freshAsOf = Number.NEGATIVE_INFINITY;
  #behindSince: number;
  #phaseSince = 0;

  constructor(options: {
    readonly entity: Entity;
    readonly stores: RecordStores;
    readonly clock: Clock;
    readonly limits: ProtocolLimits;
    readonly holder: string;
    /** Whether the authority cannot leave PostgreSQL without this process knowing. */
    readonly isMember: () => boolean;
    readonly onPhase: (from: Phase, row: ControlRow) => void;
  }) {
    const { entity, stores, clock, limits } = options;
    this.entity = entity;
    this.stores = stores;
    this.clock = clock;
    this.limits = limits;
    // What another process noted as fresh may lack what a caller wrote through one that has died since, or through that one.
    this.#behindSince = clock.monotonic();
    this.#isMember = options.isMember;
    this.#onPhase = options.onPhase;
    this.gate = new CallGate({ clock, limits, entity: entity.name });
    this.#permitLease =
      stores.cosmos &&
      new PermitLease({ permits: stores.cosmos.permits, group: entity.name, holder: options.holder, clock });
  }

  /** What this process knows of where the group is. */
  get view(): View {
    return this.#view;
  }

  /** The rules that calls follow now. */
  get rules(): PhaseRules {
    return PHASES[this.#view.kind === 'row' ? this.#view.row.phase : '0'];
  }

  /** The control row, where one was seen. */
  get row(): ControlRow | undefined {
    return this.#view.kind === 'row' ? this.#view.row : undefined;
  }

  /** Takes note of the control row. An older one than was seen already changes nothing. */
  observe(row: ControlRow): void {
    const before = this.row;
    if (before && row.epoch < before.epoch) return;
    this.#view = { kind: 'row', row };
    if (before?.phase !== row.phase) this.#phaseSince = this.clock.monotonic();
    // The gate closes before anything else learns of a seal, and opens only for a phase in which somebody may write.
    if (PHASES[row.phase].sealed) this.gate.close();
    else this.gate.open();
    // A seal leaves the lease to the calls that are under way, which end under it; the commit waits for them, and for the lease.
    if (PHASES[row.phase].authority === 'postgres') this.giveUpLease();
    if (before && before.phase !== row.phase) this.#onPhase(before.phase, row);
  }

  /** Takes note of an open permit where no row can be seen. */
  observePermit(term: number): void {
    if (this.#view.kind !== 'row') this.#view = { kind: 'permit', term };
  }

  /**
   * The term of the authority, where it is certain to be where the view has it: a lease of the permit runs, or this process is a
   * member and would be waited for. Undefined in a process that stood still, or that lost the store: the authority may have moved.
   */
  get provenTerm(): number | undefined {
    if (this.rules.authority === 'cosmos') return this.#permitLease?.provenTerm;
    return this.#isMember() ? this.term : undefined;
  }

  /** Whether deletes in Cosmos DB must leave tombstones: PostgreSQL follows, or may follow for all that this process knows. */
  keepsTombstones(lease: WriteLease): boolean {
    return lease.tombstones || (this.stores.postgres !== undefined && this.row?.phase !== '0');
  }

  /** The term of the authority, as far as this process knows. */
  get term(): number {
    const leased = this.#permitLease?.lastTerm ?? 1;
    if (this.#view.kind === 'unknown') return leased;
    // A process that cannot see the row, or has not seen it lately, hears of a new term from the permit.
    return Math.max(leased, this.#view.kind === 'row' ? this.#view.row.term : this.#view.term);
  }

  /** Refuses every call from now on, those that are held at once: this process has ended. */
  fence(reason: string): void {
    this.#fenced ??= reason;
    this.gate.end(() => new FencedError({ message: reason, entity: this.entity.name }));
  }

  /**
   * Counts a call in, once the gate is open.
   *
   * @param until - end of the wait on the monotonic clock
   * @throws {@link FencedError} when this process was fenced off; `SealedError` when the wait was too long
   */
  async enter(signal?: AbortSignal, until?: number): Promise<Ticket> {
    return this.gate.enter(signal, until);
  }

  /** Whether this process has ended. */
  get isFenced(): boolean {
    return this.#fenced !== undefined;
  }

  /**
   * The records of a store.
   *
   * @throws {@link FencedError} when this process was fenced off
   */
  records(store: 'cosmos' | 'postgres'): RecordStore {
    if (this.#fenced !== undefined)
      throw new FencedError({ message: this.#fenced, entity: this.entity.name });
    const host = this.stores[store];
    if (!host)
      throw new ConnectionError({
        message: `The phase of this entity needs the ${store} store, which this process was not given`,
        entity: this.entity.name,
      });
    return host.records(this.entity);
  }

  /**
   * A lease to write to Cosmos DB.
   *
   * @throws {@link SealedError} while the permit grants none; whatever the store throws
   */
  async lease(signal?: AbortSignal): Promise<WriteLease> {
    const lease = await orAborted(this.#permitLease?.ensure() ?? Promise.resolve(undefined), signal);
    if (lease) return lease;
    throw new SealedError({
      message: 'Cosmos DB grants no lease to write: the authority is moving, or has moved',
      entity: this.entity.name,
    });
  }

  /** Gives up the lease to write to Cosmos DB: nothing is under way under it any more. */
  giveUpLease(): void {
    this.#permitLease?.giveUp();
  }

  /** The second check of a lease: see {@link PermitLease.confirm}. */
  async confirm(
    lease: WriteLease,
    write: {
      readonly operation: string;
      readonly entity: string;
      readonly key: string;
      readonly operationId: string;
    },
  ): Promise<void> {
    await this.#permitLease?.confirm(lease, write);
  }

  /** Notes that PostgreSQL held every change that Cosmos DB had at that moment of the monotonic clock. */
  noteFresh(asOf: number): void {
    this.#freshAsOf = Math.max(this.#freshAsOf, asOf);
  }

  /** Notes that a second write did not reach PostgreSQL: until the feed brings it, PostgreSQL is behind. */
  noteBehind(): void {
    this.#behindSince = this.clock.monotonic();
  }

  /** Milliseconds since PostgreSQL is known to have held everything; Infinity when that was never known. */
  get stalenessMs(): number {
    return this.clock.monotonic() - this.#freshAsOf;
  }

  /** Whether PostgreSQL may answer reads in the phases that allow it: fresh enough, and with every second write of this process. */
  isFresh(maxStalenessMs: number): boolean {
    return this.stalenessMs <= maxStalenessMs && this.#freshAsOf > this.#behindSince;
  }

  /** How long this process has seen the group in its phase, in milliseconds. */
  get phaseMs(): number {
    return this.clock.monotonic() - this.#phaseSince;
  }
}
