import { type Connections, placeOf, type UseOptions } from './connections.ts';
import type { Session } from './session.ts';

/** Most requests of one trip. More save little, and make the first wait for the last. */
const MAX_TOGETHER = 16;

/** How the requests of a trip are sent. */
export interface TripOptions<Request, Answer> {
  readonly connections: Connections;
  /** Sends them over one connection; answers stand in the order of the requests. What it throws is told to each caller. */
  readonly send: (session: Session, requests: readonly Request[]) => Promise<readonly Answer[]>;
  /**
   * What a caller is told who gives up after its request was sent.
   *
   * @default the signal's reason is thrown, as it is before that
   */
  readonly left?: ((reason: unknown) => Answer) | undefined;
}

interface Rider<Request, Answer> {
  readonly request: Request;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** Requests that go over one connection together. Takes riders until it has its connection, or is full. */
interface Trip<Request, Answer> {
  readonly riders: Set<Rider<Request, Answer>>;
  readonly givenUp: AbortController;
  sent: boolean;
}

/**
 * Lets short requests share a connection: those that wait for one at the same time go in one round trip, which costs the process a
 * fraction of a trip for each. None waits for another to come along; what is alone goes alone, at once.
 *
 * A signal ends its caller's wait and no other's; the trip is given up when the last rider has gone.
 */
export class SharedTrips<Request, Answer> {
  readonly #options: TripOptions<Request, Answer>;
  #open: Trip<Request, Answer> | undefined;

  constructor(options: TripOptions<Request, Answer>) {
    this.#options = options;
  }

  /** Sends a request with those that wait as it does. */
  ride(request: Request, options: UseOptions): Promise<Answer> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const trip = this.#open ?? this.#start(options);
      const leave = (): void => {
        trip.riders.delete(rider);
        if (trip.sent && this.#options.left) resolve(this.#options.left(signal?.reason));
        else reject(signal?.reason);
        if (trip.riders.size > 0) return;
        this.#close(trip);
        trip.givenUp.abort(signal?.reason);
      };
      const arrived =
        <Value>(next: (value: Value) => void) =>
        (value: Value): void => {
          signal?.removeEventListener('abort', leave);
          next(value);
        };
      const rider = { request, resolve: arrived(resolve), reject: arrived(reject) };
      signal?.addEventListener('abort', leave, { once: true });
      trip.riders.add(rider);
      if (trip.riders.size === MAX_TOGETHER) this.#close(trip);
    });
  }

  #start(options: UseOptions): Trip<Request, Answer> {
    const trip: Trip<Request, Answer> = { riders: new Set(), givenUp: new AbortController(), sent: false };
    this.#open = trip;
    void this.#go(trip, { ...placeOf(options), signal: trip.givenUp.signal });
    return trip;
  }

  #close(trip: Trip<Request, Answer>): void {
    if (this.#open === trip) this.#open = undefined;
  }

  // Never rejects: each rider is told.
  async #go(trip: Trip<Request, Answer>, options: UseOptions): Promise<void> {
    try {
      await this.#options.connections.use(async (session) => {
        this.#close(trip);
        trip.sent = true;
        const sent = [...trip.riders];
        const answers = await this.#options.send(
          session,
          sent.map(({ request }) => request),
        );
        for (const [i, answer] of answers.entries()) sent[i]?.resolve(answer);
      }, options);
    } catch (error) {
      this.#close(trip);
      for (const rider of trip.riders) rider.reject(error);
    }
  }
}
