import { createServer, type Server } from 'node:https';
import { createCertificate } from './certificate.ts';

/**
 * A double of the part of Azure Key Vault's REST interface that reads secrets: it is not the service, and shows only that requests and
 * answers have the documented form.
 */
export interface KeyVaultDouble {
  readonly url: string;
  /** The authority that clients must trust, as PEM. */
  readonly authority: string;
  /** What is kept, by `name` or `name/version`. */
  readonly secrets: Map<string, string>;
  /** Answers each request with this status instead, while it is set. */
  status: number | undefined;
  /** Paths that were asked for with a token. */
  readonly asked: string[];
  close(): Promise<void>;
}

/** The only token that the double takes. */
export const KEY_VAULT_TOKEN = 'token-of-the-double';

/** A double on a port of loopback, over TLS as its client demands. */
export async function startKeyVaultDouble(): Promise<KeyVaultDouble> {
  const { key, cert, authority } = createCertificate(['localhost', '127.0.0.1']);
  const state: Omit<KeyVaultDouble, 'url' | 'close'> = {
    authority,
    secrets: new Map(),
    status: undefined,
    asked: [],
  };
  const server = createServer({ key, cert }, (request, response) => {
    const url = new URL(request.url ?? '/', 'https://localhost');
    const [, , name = '', version = ''] = url.pathname.split('/');
    const answer = (status: number, body: object, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(body));
    };
    const failure = (status: number, code: string): void =>
      answer(status, { error: { code, message: `${code}: ${name}` } });
    if (request.headers.authorization !== `Bearer ${KEY_VAULT_TOKEN}`) {
      const challenge =
        'Bearer authorization="https://login.example/tenant", resource="https://vault.azure.net"';
      return answer(401, { error: { code: 'Unauthorized' } }, { 'www-authenticate': challenge });
    }
    state.asked.push(url.pathname);
    if (state.status !== undefined) return failure(state.status, 'Failed');
    const value = state.secrets.get(version === '' ? name : `${name}/${version}`);
    if (value === undefined) return failure(404, 'SecretNotFound');
    const id = `${url.origin}/secrets/${name}/${version || '0123456789abcdef0123456789abcdef'}`;
    return answer(200, {
      value,
      id,
      attributes: { enabled: true, created: 1_700_000_000, updated: 1_700_000_000 },
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return Object.assign(state, { url: `https://localhost:${portOf(server)}`, close: () => closed(server) });
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the double does not listen');
  return address.port;
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => void server.close(() => resolve()));
}
