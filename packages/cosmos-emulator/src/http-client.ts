import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Gateway } from './gateway.ts';
import type { ServiceRequest, ServiceResponse } from './http-message.ts';

/** The part of a pipeline request of `@azure/core-rest-pipeline` that the emulator reads. */
export interface HttpRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Iterable<[string, string]>;
  readonly body?: unknown;
  readonly abortSignal?: unknown;
}

/** Headers in the shape that `@azure/core-rest-pipeline` gives them. */
export class HttpHeaders {
  readonly #values: Map<string, string>;

  constructor(values: Readonly<Record<string, string>>) {
    this.#values = new Map(Object.entries(values));
  }

  get(name: string): string | undefined {
    return this.#values.get(name.toLowerCase());
  }

  has(name: string): boolean {
    return this.#values.has(name.toLowerCase());
  }

  set(name: string, value: string | number | boolean): void {
    this.#values.set(name.toLowerCase(), String(value));
  }

  delete(name: string): void {
    this.#values.delete(name.toLowerCase());
  }

  toJSON(): Record<string, string> {
    return Object.fromEntries(this.#values);
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.#values.entries();
  }
}

/** An answer in the shape of a pipeline response. */
export interface HttpResponse<R> {
  readonly request: R;
  readonly status: number;
  readonly headers: HttpHeaders;
  readonly bodyAsText: string;
}

/** Takes requests without a socket: what `CosmosClientOptions.httpClient` wants. */
export interface InProcessHttpClient {
  /** Answers one request; rejects as a network would: an aborted request with `AbortError`, a broken one with `RestError`. */
  sendRequest<R extends HttpRequest>(request: R): Promise<HttpResponse<R>>;
}

/** Connects a client straight to the service, in the same process. */
export function createHttpClient(gateway: Gateway): InProcessHttpClient {
  return {
    async sendRequest(request) {
      const signal = request.abortSignal instanceof AbortSignal ? request.abortSignal : undefined;
      if (isAborted(signal)) throw abortError();
      // A network never answers in the same turn of the event loop. An answer that did would let a busy caller starve every
      // timer and socket of its process.
      await nextTurn();
      let response: ServiceResponse;
      try {
        response = await gateway.handle(serviceRequest(request), signal);
      } catch (error) {
        throw isAborted(signal) ? abortError() : withRequest(error, request);
      }
      const { status, headers, body } = response;
      return { request, status, headers: new HttpHeaders(headers), bodyAsText: body };
    },
  };
}

function serviceRequest(request: HttpRequest): ServiceRequest {
  const headers: Record<string, string> = {};
  for (const [name, value] of request.headers) headers[name.toLowerCase()] = value;
  const path = request.url.indexOf('/', request.url.indexOf('://') + 3);
  const origin = path < 0 ? request.url : request.url.slice(0, path);
  const target = path < 0 ? '/' : request.url.slice(path);
  return { method: request.method, origin, target, headers, body: textOf(request.body) };
}

function textOf(body: unknown): string {
  if (typeof body === 'string') return body;
  if (body === undefined || body === null) return '';
  if (body instanceof Uint8Array) return Buffer.from(body).toString('utf8');
  throw new TypeError('The in-process client takes text and bytes as a request body, nothing that streams.');
}

/** The signal may have fired since it was last looked at. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

/** What the pipeline's own client throws when the caller's signal fires. */
function abortError(): Error {
  const error = new Error('The operation was aborted.');
  error.name = 'AbortError';
  return error;
}

/** The SDK logs the request of a failed call. */
function withRequest(error: unknown, request: HttpRequest): unknown {
  return error instanceof Error ? Object.assign(error, { request }) : error;
}
