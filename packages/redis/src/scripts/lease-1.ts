import { redisScript } from '../redis-script.ts';

/**
 * KEYS: the record. ARGV: token, milliseconds that the lease lasts.
 *
 * Answers with the live entry as text, 0 when the caller now holds the lease, the milliseconds that another's lease still lasts,
 * or -1 under a writer's guard. The key outlives the lease as long as there is a fence to keep.
 */
export const lease1 = redisScript(
  'lease',
  `local held = redis.call('GETRANGE', KEYS[1], 0, 127)
local state = string.sub(held, 1, 1)
if state == 'V' or state == 'N' then return redis.call('GET', KEYS[1]) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local minimum, fence = string.rep('0', 32), 0
if state == 'L' or state == 'G' or state == 'T' then
  minimum = string.sub(held, 2, 33)
  local ends = 0
  if state == 'L' then ends = tonumber(string.match(held, '^L%d+:(%d+)/')) end
  if state == 'G' then
    for mark in string.gmatch(string.match(redis.call('GET', KEYS[1]), ':(.*)|'), '(%d+)/[^,]*') do
      ends = math.max(ends, tonumber(mark))
    end
  end
  if ends > now then return state == 'G' and -1 or ends - now end
  fence = redis.call('PTTL', KEYS[1])
end
local ends = string.format('%.0f', now + tonumber(ARGV[2]))
redis.call('SET', KEYS[1], 'L' .. minimum .. ':' .. ends .. '/' .. ARGV[1] .. '|', 'PX', math.max(fence, tonumber(ARGV[2])))
return 0`,
);
