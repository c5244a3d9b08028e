import { createServer } from 'node:net';

/** A port on loopback that nobody listens on right now; another process may still take it first. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
      .once('error', reject)
      .listen(0, '127.0.0.1', () => {
        const address = server.address();
        server.close(() => {
          if (address !== null && typeof address === 'object') resolve(address.port);
          else reject(new Error('loopback has no ports'));
        });
      });
  });
}
