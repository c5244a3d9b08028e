import { redisScript } from '../redis-script.ts';

/**
 * KEYS: the record. ARGV: token, version, the entry as text, its milliseconds to live.
 *
 * Answers 1 when it stored the entry, 0 when the lease is no longer the caller's (or the key is gone) or the version is below the
 * minimum. A version that is too low gives the lease back, so that nobody waits for its end; the fence stays.
 */
export const fill1 = redisScript(
  'fill',
  `local held = redis.call('GETRANGE', KEYS[1], 0, 127)
if string.match(held, '^L%d+:%d+/([^|]*)|') ~= ARGV[1] then return 0 end
local minimum = string.sub(held, 2, 33)
if ARGV[2] < minimum then
  redis.call('SET', KEYS[1], 'T' .. minimum .. ':|', 'PX', math.max(1, redis.call('PTTL', KEYS[1])))
  return 0
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1`,
);
