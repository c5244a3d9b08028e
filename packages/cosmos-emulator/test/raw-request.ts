import { createHmac } from 'node:crypto';
import type { CosmosEmulator, HttpRequest } from '../src/index.ts';

/** A request as it goes over the wire, for what the SDK cannot say. */
export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Signs with this key. @default the account's */
  readonly key?: string;
  /** Dates the request. @default now */
  readonly date?: string;
  /** Takes the place of a signature; null leaves the header out. */
  readonly authorization?: string | null;
}

/** An answer: the body as it parses. */
export interface RawResponse {
  readonly status: number;
  readonly substatus: string | undefined;
  readonly message: string;
  readonly headers: { get(name: string): string | undefined };
  readonly body: unknown;
}

/** Sends a request to an emulator in the process, signed as the REST API describes it. */
export async function rawRequest(emulator: CosmosEmulator, request: RawRequest): Promise<RawResponse> {
  const { method, path, body, key = emulator.key, date = new Date().toUTCString() } = request;
  const authorization =
    request.authorization === undefined ? signature({ method, path, date }, key) : request.authorization;
  const headers = new Map(Object.entries({ 'x-ms-date': date, ...request.headers }));
  if (authorization !== null) headers.set('authorization', encodeURIComponent(authorization));
  const text = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body);
  const sent: HttpRequest = { url: `${emulator.endpoint.slice(0, -1)}${path}`, method, headers, body: text };
  const answer = await emulator.httpClient().sendRequest(sent);
  const parsed: unknown = answer.bodyAsText === '' ? undefined : JSON.parse(answer.bodyAsText);
  const message =
    typeof parsed === 'object' && parsed !== null && 'message' in parsed ? String(parsed.message) : '';
  return {
    status: answer.status,
    substatus: answer.headers.get('x-ms-substatus'),
    message,
    headers: answer.headers,
    body: parsed,
  };
}

function signature(parts: { method: string; path: string; date: string }, key: string): string {
  const segments = (parts.path.split('?')[0] ?? '').split('/').filter(Boolean).map(decodeURIComponent);
  const single = segments.length % 2 === 0;
  const type = segments.at(single ? -2 : -1) ?? '';
  const link = (single ? segments : segments.slice(0, -1)).join('/');
  const text = `${parts.method.toLowerCase()}\n${type}\n${link}\n${parts.date.toLowerCase()}\n\n`;
  const signed = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
  return `type=master&ver=1.0&sig=${signed}`;
}
