import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import { bitString, der, integer, objectId, octetString, sequence, set, utcTime, utf8, yes } from './der.ts';

/** What a TLS server needs, and what its clients need to trust it; all of it PEM. */
export interface Certificate {
  readonly key: string;
  /** The server's certificate, then the authority's. */
  readonly cert: string;
  /** The authority that clients trust. */
  readonly authority: string;
}

interface Identity {
  readonly name: Buffer;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const dayMs = 86_400_000;
/** Some clients refuse server certificates that are valid for longer. */
const validDays = 397;
const ecdsaWithSha256 = sequence(objectId('1.2.840.10045.4.3.2'));

/**
 * Makes a certificate for so many host names and addresses, and an authority that signed it and nothing else: the key of
 * the authority is thrown away, so whoever trusts it trusts this server only.
 */
export function createCertificate(hosts: readonly string[]): Certificate {
  const authority = identity('Cosmos emulator authority');
  const server = identity('Cosmos emulator');
  const authorityId = extension('2.5.29.35', sequence(der(0x80, keyId(authority))));
  const root = signed(authority, authority, [
    extension('2.5.29.19', sequence(yes, integer([0])), yes), // basic constraints: an authority, of servers only
    extension('2.5.29.15', bitString(Buffer.of(0x06), 1), yes), // key usage: signs certificates and revocations
    extension('2.5.29.14', octetString(keyId(authority))),
  ]);
  const leaf = signed(server, authority, [
    extension('2.5.29.19', sequence(), yes), // basic constraints: no authority
    extension('2.5.29.15', bitString(Buffer.of(0x80), 7), yes), // key usage: digital signature
    extension('2.5.29.37', sequence(objectId('1.3.6.1.5.5.7.3.1'))), // extended key usage: server
    extension('2.5.29.17', sequence(...hosts.map(generalName))), // subject alternative names
    extension('2.5.29.14', octetString(keyId(server))),
    authorityId,
  ]);
  return {
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: pem(leaf) + pem(root),
    authority: pem(root),
  };
}

function identity(commonName: string): Identity {
  const name = sequence(set(sequence(objectId('2.5.4.3'), utf8(commonName))));
  return { name, ...generateKeyPairSync('ec', { namedCurve: 'prime256v1' }) };
}

function signed(subject: Identity, issuer: Identity, extensions: readonly Buffer[]): Buffer {
  const now = Date.now();
  const content = sequence(
    der(0xa0, integer([2])), // version 3
    integer([1, ...randomBytes(15)]),
    ecdsaWithSha256,
    issuer.name,
    // From yesterday on: clocks differ.
    sequence(utcTime(new Date(now - dayMs)), utcTime(new Date(now + (validDays - 1) * dayMs))),
    subject.name,
    subject.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  return sequence(content, ecdsaWithSha256, bitString(sign('sha256', content, issuer.privateKey)));
}

function extension(id: string, value: Buffer, ...critical: readonly Buffer[]): Buffer {
  return sequence(objectId(id), ...critical, octetString(value));
}

function keyId({ publicKey }: Identity): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
}

function generalName(host: string): Buffer {
  const address = addressBytes(host);
  return address === undefined ? der(0x82, Buffer.from(host)) : der(0x87, address);
}

function addressBytes(host: string): Buffer | undefined {
  const version = isIP(host);
  if (version === 0) return undefined;
  if (version === 4) return Buffer.from(host.split('.').map(Number));
  // A URL writes every IPv6 address in groups of hexadecimal digits; a zone means nothing to others.
  const groups = new URL(`http://[${host.replace(/%.*$/, '')}]/`).hostname.slice(1, -1);
  const [left = '', right] = groups.split('::');
  const [before, after] = [left, right ?? ''].map((part) => (part === '' ? [] : part.split(':')));
  const gap = right === undefined ? 0 : 8 - (before?.length ?? 0) - (after?.length ?? 0);
  const all = [...(before ?? []), ...Array<string>(gap).fill('0'), ...(after ?? [])];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
