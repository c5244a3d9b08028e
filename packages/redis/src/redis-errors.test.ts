import { ConnectionError } from '@polyphase/core';
import { Redis, ReplyError } from 'ioredis';
import { expect, test } from 'vitest';
import { isNoScript, mapRedisError } from './redis-errors.ts';

function node(code: string): Error {
  return Object.assign(new Error(`connect ${code} 127.0.0.1:6379`), { code });
}

test.each([
  [new ReplyError('LOADING Redis is loading the dataset in memory'), 'connection'],
  [
    new ReplyError("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
    'connection',
  ],
  [new ReplyError('CLUSTERDOWN The cluster is down'), 'connection'],
  [new ReplyError('TRYAGAIN Multiple keys request during rehashing of slot'), 'connection'],
  [new ReplyError("READONLY You can't write against a read only replica."), 'connection'],
  [new ReplyError('NOREPLICAS Not enough good replicas to write.'), 'connection'],
  [new ReplyError('MOVED 7638 127.0.0.1:7001'), 'invalid-options'],
  [new ReplyError('ASK 7638 127.0.0.1:7001'), 'invalid-options'],
  [new ReplyError('BUSY Redis is busy running a script.'), 'timeout'],
  [new ReplyError('NOAUTH Authentication required.'), 'invalid-options'],
  [new ReplyError('WRONGPASS invalid username-password pair or user is disabled.'), 'invalid-options'],
  [new ReplyError("NOPERM User app has no permissions to run the 'eval' command"), 'invalid-options'],
  [new ReplyError("OOM command not allowed when used memory > 'maxmemory'."), 'store'],
  [new ReplyError('WRONGTYPE Operation against a key holding the wrong kind of value'), 'store'],
  [new ReplyError('ERR unknown command'), 'store'],
  [node('ECONNREFUSED'), 'connection'],
  [node('ECONNRESET'), 'connection'],
  [node('EPIPE'), 'connection'],
  [node('ETIMEDOUT'), 'connection'],
  [node('ENOTFOUND'), 'connection'],
  [node('EAI_AGAIN'), 'connection'],
  [node('EHOSTUNREACH'), 'connection'],
  [node('CERT_HAS_EXPIRED'), 'connection'],
  [new Error('Connection is closed.'), 'connection'],
  [new Error("Stream isn't writeable and enableOfflineQueue options is false"), 'connection'],
  [
    new Error('Reached the max retries per request limit (which is 20). Refer to "maxRetriesPerRequest"'),
    'connection',
  ],
  [new Error('Failed to refresh slots cache.'), 'connection'],
  [new Error('None of startup nodes is available'), 'connection'],
  [new Error("Cluster isn't ready and enableOfflineQueue options is false"), 'connection'],
  [new Error('Cluster is ended.'), 'connection'],
  [new Error('Connection is aborted'), 'connection'],
  [new Error('Connection is discarded because a new connection is made'), 'connection'],
  [
    new Error('Too many Cluster redirections. Last error: ReplyError: CLUSTERDOWN Hash slot not served'),
    'connection',
  ],
  [new Error('All sentinels are unreachable and retry is disabled.'), 'connection'],
  [new Error('Command timed out'), 'timeout'],
  [new TypeError('x is not a function'), 'store'],
  ['text', 'store'],
  [undefined, 'store'],
])('%s is %s', (error, code) => {
  const mapped = mapRedisError(error, 'lease');
  expect(mapped.code).toBe(code);
  expect(mapped.operation).toBe('lease');
  expect(mapped.cause).toBe(error);
});

test('an error of ours passes as it is', () => {
  const error = new ConnectionError({ message: 'gone' });
  expect(mapRedisError(error, 'get')).toBe(error);
});

test('the driver says what the table expects when it was closed and when it may not queue', async () => {
  const closed = new Redis({ lazyConnect: true });
  closed.disconnect();
  await expect(closed.get('a').catch((error: unknown) => mapRedisError(error, 'get').code)).resolves.toBe(
    'connection',
  );
  const impatient = new Redis({ lazyConnect: true, enableOfflineQueue: false });
  await expect(impatient.get('a').catch((error: unknown) => mapRedisError(error, 'get').code)).resolves.toBe(
    'connection',
  );
  impatient.disconnect();
});

test('an unknown script is told apart', () => {
  expect(isNoScript(new ReplyError('NOSCRIPT No matching script. Please use EVAL.'))).toBe(true);
  expect(isNoScript(new ReplyError('ERR no'))).toBe(false);
  expect(isNoScript(undefined)).toBe(false);
});
