import { redisScript } from '../redis-script.ts';

/**
 * KEYS: the record. ARGV: milliseconds that the guard lasts, longest milliseconds that a fence is kept, the writer.
 *
 * Takes the entry and any lease away and adds a mark with its writer and its own end, so that of two writers the first to finish does
 * not take the other's guard along, the mark of a writer that died ends in time, and a guard that the driver sent again, because its
 * reply was lost, is one. The version that was live becomes the minimum.
 */
export const guard1 = redisScript(
  'guard',
  `local held = redis.call('GETRANGE', KEYS[1], 0, 127)
local state = string.sub(held, 1, 1)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local minimum, fence, marks = string.rep('0', 32), tonumber(ARGV[1]), {}
if state ~= '' then
  minimum = string.sub(held, 2, 33)
  fence = math.max(fence, math.min(redis.call('PTTL', KEYS[1]), tonumber(ARGV[2])))
end
if state == 'G' then
  for ends, writer in string.gmatch(string.match(redis.call('GET', KEYS[1]), ':(.*)|'), '(%d+)/([^,]*)') do
    if tonumber(ends) > now and writer ~= ARGV[3] then marks[#marks + 1] = ends .. '/' .. writer end
  end
end
marks[#marks + 1] = string.format('%.0f', now + tonumber(ARGV[1])) .. '/' .. ARGV[3]
redis.call('SET', KEYS[1], 'G' .. minimum .. ':' .. table.concat(marks, ',') .. '|', 'PX', fence)
return 1`,
);
