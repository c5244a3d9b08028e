import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Gateway } from './gateway.ts';
import type { ServiceRequest, ServiceResponse } from './http-message.ts';

/** Above the largest body that the service could take. */
const maximumBodyBytes = 8 * 1024 * 1024;
/** A client reads its refusal when it has sent its body, so what is too long is read and dropped; up to here. */
const maximumDroppedBytes = 8 * maximumBodyBytes;

const tooLarge: ServiceResponse = {
  status: 413,
  headers: { 'content-type': 'application/json', connection: 'close' },
  body: JSON.stringify({ code: 'RequestEntityTooLarge', message: 'Request size is too large' }),
};

/** Requests over HTTP and their answers, from the first byte of the one to the last of the other. */
export class Exchanges {
  readonly #gateway: Gateway;
  readonly #scheme: 'http' | 'https';
  readonly #running = new Set<AbortController>();
  #drained: (() => void) | undefined;

  constructor(gateway: Gateway, scheme: 'http' | 'https') {
    this.#gateway = gateway;
    this.#scheme = scheme;
  }

  /** Answers a request; what a listener of `node:http` does. */
  readonly answer = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const abort = new AbortController();
    this.#running.add(abort);
    outgoing.once('close', () => {
      this.#running.delete(abort);
      // Nobody waits for the answer any more.
      abort.abort();
      if (this.#running.size === 0) this.#drained?.();
    });
    void this.#respond({ incoming, outgoing, signal: abort.signal });
  };

  /** Waits for the answers under way. Those that a fault holds back end at once, without an answer. */
  async drain(): Promise<void> {
    if (this.#running.size === 0) return;
    const drained = Promise.withResolvers<void>();
    this.#drained = drained.resolve;
    for (const abort of this.#running) abort.abort();
    await drained.promise;
  }

  async #respond(exchange: {
    incoming: IncomingMessage;
    outgoing: ServerResponse;
    signal: AbortSignal;
  }): Promise<void> {
    const { incoming, outgoing, signal } = exchange;
    try {
      const body = await readBody(incoming);
      const request = body === undefined ? undefined : this.#request(incoming, body);
      send(outgoing, request === undefined ? tooLarge : await this.#gateway.handle(request, signal));
    } catch {
      // A fault that breaks the connection, or a client that went away: either way nothing more can be said.
      incoming.socket.destroy();
    }
  }

  #request(incoming: IncomingMessage, body: string): ServiceRequest {
    const headers: Record<string, string | undefined> = {};
    for (const [name, value] of Object.entries(incoming.headers)) {
      headers[name] = Array.isArray(value) ? value.join(',') : value;
    }
    const { localAddress = 'localhost', localPort = 0 } = incoming.socket;
    return {
      method: incoming.method ?? 'GET',
      origin: `${this.#scheme}://${incoming.headers.host ?? `${localAddress}:${localPort}`}`,
      target: incoming.url ?? '/',
      headers,
      body,
    };
  }
}

function send(outgoing: ServerResponse, { status, headers, body }: ServiceResponse): void {
  if (status === 204 || status === 304) {
    outgoing.writeHead(status, headers).end();
    return;
  }
  const bytes = Buffer.from(body);
  outgoing.writeHead(status, { ...headers, 'content-length': bytes.length }).end(bytes);
}

/** Reads a body to its end; gives nothing for one that is too long. */
async function readBody(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming) {
    if (!Buffer.isBuffer(chunk)) continue;
    length += chunk.length;
    if (length <= maximumBodyBytes) chunks.push(chunk);
    else chunks.length = 0;
    if (length > maximumDroppedBytes) break;
  }
  return length > maximumBodyBytes ? undefined : Buffer.concat(chunks).toString('utf8');
}
