import { connect, createServer, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';

/** What slows or breaks the link; each holds until it is set again or the link is healed. */
export interface LinkFaults {
  /**
   * Added to each chunk, in each direction, in milliseconds.
   * @default 0
   */
  readonly latencyMs?: number;
  /**
   * Resets every open connection once this many more bytes have gone through, both directions counted.
   * @default Infinity
   */
  readonly cutAfterBytes?: number;
}

/** A TCP link on loopback that a test can slow, freeze, cut and refuse. */
export interface FaultProxy {
  /** Where clients connect instead of at the engine. */
  readonly port: number;
  /** Connections that are open now. */
  readonly connections: number;
  /** `url` with this proxy's host and port. */
  through(url: string): string;
  /** Slows the link, or arms a cut. */
  set(faults: LinkFaults): void;
  /** Resets the connections that are open now; new ones work. */
  cut(): void;
  /** Nothing flows and nothing closes, as when a route is lost; new connections are accepted and stay silent. */
  freeze(): void;
  /** Resets open connections, and new ones as they come. */
  refuse(): void;
  /** Ends every fault; what was frozen flows again. */
  heal(): void;
  /** Resets what is open and stops listening. */
  close(): Promise<void>;
}

/** A proxy before the engine at `target`, a URL with a port. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(target);
  const link = new Link(hostname.replace(/^\[|\]$/g, ''), Number(port));
  await link.listen();
  return link;
}

class Link implements FaultProxy {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #frozen = new Set<() => void>();
  #mode: 'open' | 'frozen' | 'refusing' = 'open';
  #latencyMs = 0;
  #bytesLeft = Infinity;

  constructor(host: string, port: number) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      if (this.#mode === 'refusing') near.resetAndDestroy();
      else this.#join(near, connect({ host, port, allowHalfOpen: true, noDelay: true }));
    });
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy is closed');
    return address.port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
  }

  through(url: string): string {
    const moved = new URL(url);
    moved.hostname = '127.0.0.1';
    moved.port = String(this.port);
    return moved.href;
  }

  set(faults: LinkFaults): void {
    if (faults.latencyMs !== undefined) this.#latencyMs = faults.latencyMs;
    if (faults.cutAfterBytes !== undefined) this.#bytesLeft = faults.cutAfterBytes;
  }

  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  freeze(): void {
    this.#mode = 'frozen';
  }

  refuse(): void {
    this.#mode = 'refusing';
    this.cut();
    this.#thaw();
  }

  heal(): void {
    this.#mode = 'open';
    this.#latencyMs = 0;
    this.#bytesLeft = Infinity;
    this.#thaw();
  }

  async close(): Promise<void> {
    this.refuse();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #thaw(): void {
    const waiting = [...this.#frozen];
    this.#frozen.clear();
    for (const wake of waiting) wake();
  }

  #join(near: Socket, far: Socket): void {
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [one, other] of [pair, [far, near] as const]) {
      one.on('error', () => other.resetAndDestroy());
      one.on('close', () => {
        this.#pairs.delete(pair);
        other.destroy();
      });
      one.pipe(this.#wire()).pipe(other);
    }
  }

  /** One direction of one connection. */
  #wire(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        this.#carry(chunk, () => done(null, chunk));
      },
    });
  }

  #carry(chunk: Buffer, deliver: () => void): void {
    if (this.#mode === 'frozen') this.#frozen.add(() => this.#carry(chunk, deliver));
    else if (this.#latencyMs > 0) setTimeout(() => this.#arrive(chunk, deliver), this.#latencyMs);
    else this.#arrive(chunk, deliver);
  }

  #arrive(chunk: Buffer, deliver: () => void): void {
    this.#bytesLeft -= chunk.length;
    if (this.#bytesLeft < 0) {
      this.#bytesLeft = Infinity;
      this.cut();
    }
    deliver();
  }
}
