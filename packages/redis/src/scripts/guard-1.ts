import { redisScript } from '../redis-script.ts';

/**
 * KEYS: the record. ARGV: milliseconds that the guard lasts, longest milliseconds that a fence is kept.
 *
 * Takes the entry and any lease away and adds a mark with its own end, so that of two writers the first to finish does not take
 * the other's guard along, and the mark of a writer that died ends in time. The version that was live becomes the minimum.
 */
export const guard1 = redisScript(
  'guard',
  `local held = redis.call('GETRANGE', KEYS[1], 0, 127)
local state = string.sub(held, 1, 1)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local minimum, fence, marks = string.rep('0', 32), 0, {}
if state ~= '' then
  minimum = string.sub(held, 2, 33)
  fence = math.min(redis.call('PTTL', KEYS[1]), tonumber(ARGV[2]))
end
if state == 'G' then
  for mark in string.gmatch(string.match(redis.call('GET', KEYS[1]), ':(.*)|'), '%d+') do
    if tonumber(mark) > now then marks[#marks + 1] = mark end
  end
end
marks[#marks + 1] = string.format('%.0f', now + tonumber(ARGV[1]))
redis.call('SET', KEYS[1], 'G' .. minimum .. ':' .. table.concat(marks, ',') .. '|', 'PX', math.max(fence, tonumber(ARGV[1])))
return 1`,
);
