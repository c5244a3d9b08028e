import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createCertificate } from './certificate.ts';

describe('a certificate', () => {
  const { cert, authority } = createCertificate(['localhost', '127.0.0.1', '::1', 'fe80::1:2%eth0', '::']);
  const leaf = new X509Certificate(cert);
  const root = new X509Certificate(authority);

  it('names every host and address', () => {
    expect(leaf.subjectAltName?.split(', ')).toEqual([
      'DNS:localhost',
      'IP Address:127.0.0.1',
      'IP Address:0:0:0:0:0:0:0:1',
      'IP Address:FE80:0:0:0:0:0:1:2',
      'IP Address:0:0:0:0:0:0:0:0',
    ]);
    expect(leaf.checkHost('localhost')).toBe('localhost');
    expect(leaf.checkHost('example.com')).toBeUndefined();
    expect(leaf.checkIP('::1')).toBe('::1');
  });

  it('is signed by its authority, and is none itself', () => {
    expect(leaf.verify(root.publicKey)).toBe(true);
    expect(leaf.checkIssued(root)).toBe(true);
    expect([root.ca, leaf.ca]).toEqual([true, false]);
  });

  it('is valid now, and no longer than clients accept', () => {
    const [from, to] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
    expect(from).toBeLessThan(Date.now());
    expect(to).toBeGreaterThan(Date.now() + 365 * 86_400_000);
    expect(to - from).toBeLessThanOrEqual(398 * 86_400_000);
  });

  it('is another one each time', () => {
    const other = createCertificate(['localhost']);
    expect(new X509Certificate(other.cert).verify(root.publicKey)).toBe(false);
  });
});
