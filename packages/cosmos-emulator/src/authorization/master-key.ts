import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { ServiceRequest } from '../http-message.ts';
import type { Target } from '../routes/route-context.ts';
import { rawSegments } from '../routes/target.ts';
import { forbidden, unauthorized } from '../service-error.ts';

/** The key that every Cosmos DB emulator is known to have. */
export const wellKnownKey =
  'C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==';

/** Signs text with a key, in base64. */
export function sign(text: string, key: KeyObject): string {
  return createHmac('sha256', key).update(text).digest('base64');
}

/** Compares two texts in a time that tells nothing of where they differ. */
export function sameText(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * Finds the key that signed a request, and checks the date that went into the signature: at most fifteen minutes from
 * the machine's time, whatever the emulator's own clock says, for clients date with theirs. Throws 401 and 403.
 */
export function signingKey(
  { request, target, signature }: { request: ServiceRequest; target: Target; signature: string },
  keys: readonly KeyObject[],
): KeyObject {
  const date = request.headers['x-ms-date'] ?? request.headers.date;
  if (date === undefined) {
    throw unauthorized(
      'Authorization token mandates Date header. Please pass in RFC 1123 style date format.',
    );
  }
  const payloads = payloadsOf(request, target);
  const key = keys.find((candidate) => payloads.some((text) => sameText(signature, sign(text, candidate))));
  if (key === undefined) throw wrongSignature(payloads[0]);
  requireFresh(date);
  return key;
}

/** 401 for what was signed with another key or over other text. */
export function wrongSignature(payload?: string): Error {
  const hint =
    payload === undefined
      ? ''
      : ` Server used the following payload to sign: '${payload.replaceAll('\n', String.raw`\n`)}'`;
  return unauthorized(
    `The input authorization token can't serve the request. The wrong key is being used or the expected payload is not built as per the protocol. For more info: https://aka.ms/cosmosdb-tsg-unauthorized.${hint}`,
  );
}

/** The texts that a client may have signed, the most usual first. */
function payloadsOf(request: ServiceRequest, { resource, segments }: Target): string[] {
  const raw = rawSegments(request);
  if (resource === 'partitionKeyDelete') {
    const link = segments.slice(0, 4).join('/');
    return ['colls', 'partitionkey'].map((type) => payloadOf(request, type, link));
  }
  // A feed is signed by what it is under, a resource by itself.
  const single = segments.length % 2 === 0;
  const type = segments[segments.length - (single ? 2 : 1)] ?? '';
  const linkOf = (all: readonly string[]): readonly string[] => (single ? all : all.slice(0, -1));
  // Clients sign the link with its ids as they are, or percent-encoded; and of a resource id, that alone in lower case.
  const links = [linkOf(segments), linkOf(raw)].map((link) => link.join('/'));
  const rid = linkOf(segments).at(-1)?.toLowerCase();
  return [...links, ...(rid === undefined ? [] : [rid])].map((link) => payloadOf(request, type, link));
}

function payloadOf({ method, headers }: ServiceRequest, type: string, link: string): string {
  const own = headers['x-ms-date']?.toLowerCase() ?? '';
  const date = own === '' ? (headers.date?.toLowerCase() ?? '') : '';
  return `${method.toLowerCase()}\n${type}\n${link}\n${own}\n${date}\n`;
}

const rfc1123 = /^[a-z]{3}, \d{2} [a-z]{3} \d{4} \d{2}:\d{2}:\d{2} gmt$/i;
const validityMs = 15 * 60 * 1000;

function requireFresh(date: string): void {
  const start = rfc1123.test(date) ? Date.parse(date) : Number.NaN;
  if (Number.isNaN(start)) {
    throw unauthorized('The input date header is invalid format. Please pass in RFC 1123 style date format.');
  }
  const now = Date.now();
  if (Math.abs(now - start) > validityMs) throw notValidNow({ start, expiry: start + validityMs, now });
}

/** 403 for a token that was good before, or will be. */
export function notValidNow(times: { start: number; expiry: number; now: number }): Error {
  const text = (time: number): string => new Date(time).toUTCString();
  return forbidden(
    `The authorization token is not valid at the current time. Please create another token and retry (token start time: ${text(times.start)}, token expiry time: ${text(times.expiry)}, current server time: ${text(times.now)}).`,
  );
}
