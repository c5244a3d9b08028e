import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Gateway } from './gateway.ts';
import type { ServiceRequest } from './http-message.ts';

/** Where to listen. */
export interface ListenOptions {
  /** TCP port; 0 lets the system choose one. @default 0 */
  readonly port?: number;
  /** Address to bind. @default '127.0.0.1' */
  readonly host?: string;
}

/** A running HTTP server. */
export interface Listener {
  /** Address to give to clients as their endpoint. */
  readonly url: string;
  readonly port: number;
  /** Stops listening and drops every connection. Safe to call again. */
  close(): Promise<void>;
  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Above the largest body that the service could take: what is longer is not read to its end. */
const maximumBodyBytes = 8 * 1024 * 1024;

/** Starts an HTTP server over the service. Rejects when the address cannot be bound. */
export async function listen(gateway: Gateway, options: ListenOptions = {}): Promise<Listener> {
  const { port = 0, host = '127.0.0.1' } = options;
  const server = createServer((request, response) => {
    void answer(gateway, request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const bound = portOf(server.address());
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
    return closing;
  };
  const name = host.includes(':') ? `[${host}]` : host;
  return { url: `http://${name}:${bound}/`, port: bound, close, [Symbol.asyncDispose]: close };
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new TypeError('The server has no TCP address.');
  return address.port;
}

async function answer(gateway: Gateway, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  try {
    const body = await readBody(incoming);
    if (body === undefined) {
      outgoing.writeHead(413, { 'content-type': 'application/json', connection: 'close' });
      outgoing.end(JSON.stringify({ code: 'RequestEntityTooLarge', message: 'Request size is too large' }));
      return;
    }
    const { status, headers, body: text } = await gateway.handle(serviceRequest(incoming, body));
    const bytes = Buffer.from(status === 204 || status === 304 ? '' : text);
    outgoing.writeHead(status, { ...headers, 'content-length': bytes.length });
    outgoing.end(bytes);
  } catch {
    // A fault that breaks the connection, or a client that went away: either way nothing more can be said.
    incoming.socket.destroy();
  }
}

async function readBody(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming) {
    if (!Buffer.isBuffer(chunk)) continue;
    length += chunk.length;
    if (length > maximumBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function serviceRequest(incoming: IncomingMessage, body: string): ServiceRequest {
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(',') : value,
    ]),
  );
  const { localAddress = 'localhost', localPort = 0 } = incoming.socket;
  return {
    method: incoming.method ?? 'GET',
    origin: `http://${incoming.headers.host ?? `${localAddress}:${localPort}`}`,
    target: incoming.url ?? '/',
    headers,
    body,
  };
}
