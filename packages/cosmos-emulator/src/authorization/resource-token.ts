import type { KeyObject } from 'node:crypto';
import type { EmulatorClock } from '../clock.ts';
import { isObject, type Json, shown } from '../json.ts';
import { unauthorized } from '../service-error.ts';
import { notValidNow, sameText, sign, wrongSignature } from './master-key.ts';

/** What a permission lets its user do. */
export interface Grant {
  /** Resource id of the container; a container of the same name that is made later is another one. */
  readonly container: string;
  /** What below the container, such as `['docs', '1']`; empty for all of it. */
  readonly path: readonly string[];
  readonly mode: 'read' | 'all';
  /** Only items with this key, or under this prefix of a hierarchical one, as JSON text. */
  readonly partitionKey?: string;
}

/** Issues and reads resource tokens. Nothing is kept: a token holds what it grants, under the account's signature. */
export interface ResourceTokens {
  /** Gives the token for a grant; it ends after so many seconds of the emulator's time. */
  issue(grant: Grant, seconds: number): string;
  /** Reads a token. Throws 401 where it was not issued here, 403 where its time is over. */
  read(token: string): Grant;
}

/** Makes the tokens of an account. */
export function createResourceTokens(key: KeyObject, clock: EmulatorClock): ResourceTokens {
  return {
    issue(grant, seconds) {
      const start = clock.now();
      const claims = JSON.stringify({ ...grant, start, expiry: start + seconds * 1000 });
      const payload = Buffer.from(claims).toString('base64');
      return `type=resource&ver=1.0&sig=${sign(payload, key)};${payload};`;
    },
    read(token) {
      const [, signature, payload] = /^type=resource&ver=[\d.]+&sig=([^;]*);([^;]*);$/.exec(token) ?? [];
      if (signature === undefined || payload === undefined) throw malformed();
      if (!sameText(signature, sign(payload, key))) throw wrongSignature();
      const { start, expiry, ...grant } = claimsOf(payload);
      const now = clock.now();
      if (now >= expiry || now < start) throw notValidNow({ start, expiry, now });
      return grant;
    },
  };
}

/** 401 for an authorization header that says nothing the service understands. */
export function malformed(): Error {
  return unauthorized(
    "Authorization header doesn't confirm to the required format. Please verify and try again.",
  );
}

function claimsOf(payload: string): Grant & { start: number; expiry: number } {
  const claims: Json = JSON.parse(Buffer.from(payload, 'base64').toString('utf8'));
  if (!isObject(claims)) throw malformed();
  const { container, path, mode, partitionKey, start, expiry } = claims;
  return {
    container: shown(container),
    path: Array.isArray(path) ? path.map(shown) : [],
    mode: mode === 'all' ? 'all' : 'read',
    ...(typeof partitionKey === 'string' ? { partitionKey } : {}),
    start: Number(start),
    expiry: Number(expiry),
  };
}
