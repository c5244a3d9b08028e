import { redisScript } from '../redis-script.ts';

/**
 * KEYS: the record. ARGV: version, milliseconds that the fence lasts.
 *
 * Drops the entry and any lease, raises the minimum to the version where it is lower, and ends one guard. A repetition drops what
 * was filled since, which costs a load and no more.
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
  for mark in string.gmatch(string.match(redis.call('GET', KEYS[1]), ':(.*)|'), '%d+') do
    if tonumber(mark) > now then marks[#marks + 1] = mark end
  end
  -- The newest goes: a mark that a dead writer left keeps its own end, however many writers come after it.
  marks[#marks] = nil
  if #marks > 0 then fence = math.max(fence, tonumber(marks[#marks]) - now) end
end
local ends = table.concat(marks, ',')
redis.call('SET', KEYS[1], (ends == '' and 'T' or 'G') .. minimum .. ':' .. ends .. '|', 'PX', fence)
return 1`,
);
