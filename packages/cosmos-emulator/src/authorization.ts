import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { ServiceRequest } from './http-message.ts';
import { rawSegments } from './routes/target.ts';
import { unauthorized } from './service-error.ts';

/** The key that every Cosmos DB emulator is known to have. */
export const wellKnownKey =
  'C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==';

/** Checks the signature of a request against the account's key. Throws 401. */
export function authorize(request: ServiceRequest, segments: readonly string[], key: KeyObject): void {
  const header = request.headers.authorization;
  if (header === undefined || header === '') {
    throw unauthorized(
      "Required Header 'authorization' is missing. Ensure a valid Authorization token is passed.",
    );
  }
  const signature = /^type=master&ver=[\d.]+&sig=(.*)$/s.exec(decoded(header))?.[1];
  if (signature === undefined) throw unauthorized('The format of the authorization header is not supported.');
  const date = request.headers['x-ms-date'] ?? request.headers.date ?? '';
  // Clients sign the link with its ids as they are, or percent-encoded: the service takes both.
  for (const link of [segments, rawSegments(request)]) {
    if (sameText(signature, sign({ method: request.method, segments: link, date }, key))) return;
  }
  throw unauthorized(
    "The input authorization token can't serve the request. The wrong key is being used or the expected payload is not built as per the protocol.",
  );
}

function sign(parts: { method: string; segments: readonly string[]; date: string }, key: KeyObject): string {
  const { segments } = parts;
  // A feed is signed by what it is under, a resource by itself.
  const single = segments.length % 2 === 0;
  const type = segments[segments.length - (single ? 2 : 1)] ?? '';
  const link = (single ? segments : segments.slice(0, -1)).join('/');
  const payload = `${parts.method.toLowerCase()}\n${type}\n${link}\n${parts.date.toLowerCase()}\n\n`;
  return createHmac('sha256', key).update(payload).digest('base64');
}

function sameText(left: string, right: string): boolean {
  return left.length === right.length && timingSafeEqual(Buffer.from(left), Buffer.from(right));
}

function decoded(header: string): string {
  try {
    return decodeURIComponent(header);
  } catch {
    return header;
  }
}
