import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Pool } from 'pg';
import { expect, it } from 'vitest';
import { postgresStore } from '../src/index.ts';
import { keyOf, Note } from './support.ts';

const message = (type: string, body: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
};
const AUTHENTICATED = message('R', Buffer.alloc(4));
const READY = message('Z', Buffer.from('I'));
const TERMINATED = message(
  'E',
  Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0'),
);

// A double of the server, for a moment that no real one can be asked to hit: it lets a connection in, and ends it in the same breath.
it('a connection that the server ends when it is just open fails its call, and not the process', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(Buffer.concat([AUTHENTICATED, READY, TERMINATED])));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const pool = new Pool({ host: '127.0.0.1', port, user: 'app', database: 'app', ssl: false });
  const store = postgresStore({ pool, migrations: 'check' });
  await expect(store.records(Note).read(keyOf('1'))).rejects.toMatchObject({
    code: 'connection',
    message: expect.stringContaining('nothing was written, try again'),
  });
  await pool.end();
  server.close();
});
