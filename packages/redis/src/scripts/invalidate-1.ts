import { redisScript } from '../redis-script.ts';

/**
 * KEYS: the record. ARGV: version, milliseconds that the fence lasts, then the writers whose guards end.
 *
 * Drops the entry and any lease, raises the minimum to the version where it is lower, and ends the guards of these writers alone. A
 * repetition drops what was filled since, which costs a load and no more.
 */
export const invalidate1 = redisScript(
  'invalidate',
  `local held = redis.call('GETRANGE', KEYS[1], 0, 127)
local state = string.sub(held, 1, 1)
local minimum, fence, marks = ARGV[1], tonumber(ARGV[2]), {}
if state ~= '' then
  local there = string.sub(held, 2, 33)
  if there > minimum then minimum = there end
end
if state == 'G' then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local ended = {}
  for i = 3, #ARGV do ended[ARGV[i]] = true end
  for ends, writer in string.gmatch(string.match(redis.call('GET', KEYS[1]), ':(.*)|'), '(%d+)/([^,]*)') do
    if tonumber(ends) > now and not ended[writer] then
      marks[#marks + 1] = ends .. '/' .. writer
      fence = math.max(fence, tonumber(ends) - now)
    end
  end
end
local left = table.concat(marks, ',')
redis.call('SET', KEYS[1], (left == '' and 'T' or 'G') .. minimum .. ':' .. left .. '|', 'PX', fence)
return 1`,
);
