import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { Exchanges } from './exchanges.ts';
import type { Gateway } from './gateway.ts';
import { createCertificate } from './tls/certificate.ts';

/** A private key and its certificate, as PEM. */
export interface TlsIdentity {
  readonly key: string;
  readonly cert: string;
}

/** Where to listen. */
export interface ListenOptions {
  /** TCP port; 0 lets the system choose one. @default 0 */
  readonly port?: number;
  /** Name or address to bind; `localhost` is the loopback of IPv4 and, where there is one, that of IPv6. @default 'localhost' */
  readonly host?: string;
  /** Serve HTTPS: with a certificate of yours, or, when it is true, with one made for this listener. @default false */
  readonly tls?: boolean | TlsIdentity;
  /** How long a request may take to arrive, in milliseconds. @default 60_000 */
  readonly requestTimeoutMs?: number;
}

/** A running server. */
export interface Listener {
  /** Address to give to clients as their endpoint. */
  readonly url: string;
  readonly port: number;
  /** The certificate that clients have to trust, as PEM; undefined without TLS. */
  readonly certificate: string | undefined;
  /** Stops listening, answers the requests that have arrived, and drops every connection. Safe to call again. */
  close(): Promise<void>;
  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Clients keep connections for later; the server must not close one that is about to be used. */
const keepAliveTimeoutMs = 120_000;
/** How long `close` waits for answers that are under way. */
const closeTimeoutMs = 2000;

/** Connections that may wait to be accepted; the system has a limit of its own. */
const backlog = 4096;

/** Starts a server over the service. Rejects when the address cannot be bound. */
export async function listen(gateway: Gateway, options: ListenOptions = {}): Promise<Listener> {
  const { host = 'localhost', tls = false } = options;
  const identity =
    tls === true ? identityFor(host) : tls === false ? undefined : { ...tls, authority: tls.cert };
  const scheme = identity === undefined ? 'http' : 'https';
  const exchanges = new Exchanges(gateway, scheme);
  const servers = await bindAll(() => newServer(exchanges, identity, options), options);
  const sockets = new Set<Socket>();
  for (const server of servers) {
    // Also those that have not said anything yet, which the server itself does not count as its connections.
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
  }
  const stop = async (): Promise<void> => {
    const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
    await Promise.race([exchanges.drain(), wait(closeTimeoutMs, undefined, { ref: false })]);
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  };
  let stopping: Promise<void> | undefined;
  const close = (): Promise<void> => (stopping ??= stop());
  const port = portOf(servers[0]);
  const url = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}/`;
  return { url, port, certificate: identity?.authority, close, [Symbol.asyncDispose]: close };
}

function identityFor(host: string): TlsIdentity & { readonly authority: string } {
  // Whoever listens on every address is reached by the name of the machine, too.
  const other = host === '0.0.0.0' || host === '::' ? hostname() : host;
  return createCertificate([...new Set(['localhost', '127.0.0.1', '::1', other])]);
}

function newServer(exchanges: Exchanges, identity: TlsIdentity | undefined, options: ListenOptions): Server {
  const { requestTimeoutMs = 60_000 } = options;
  const limits = {
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(requestTimeoutMs, 5000),
    keepAliveTimeout: keepAliveTimeoutMs,
  };
  if (identity === undefined) return createServer(limits, exchanges.answer);
  const { key, cert } = identity;
  return createTlsServer({ ...limits, key, cert, handshakeTimeout: requestTimeoutMs }, exchanges.answer);
}

/** Binds a server to each address of the host, all on one port. */
async function bindAll(
  newOne: () => Server,
  { host = 'localhost', port = 0 }: ListenOptions,
): Promise<Server[]> {
  if (host !== 'localhost') return [await bind(newOne(), host, port)];
  for (;;) {
    const first = await bind(newOne(), '127.0.0.1', port);
    try {
      return [first, await bind(newOne(), '::1', portOf(first))];
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return [first];
      first.close();
      // A port that the system chose for one address may be taken on the other: it chooses again.
      if (code !== 'EADDRINUSE' || port !== 0) throw error;
    }
  }
}

async function bind(server: Server, host: string, port: number): Promise<Server> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog }, resolve);
  });
  return server;
}

function portOf(server: Server | undefined): number {
  const address = server?.address();
  if (typeof address !== 'object' || address === null) throw new TypeError('The server has no TCP address.');
  return address.port;
}
