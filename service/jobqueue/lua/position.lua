-- How many waiting jobs are ahead of this one: the more urgent ones, and the earlier ones of its own stream.
-- ARGV: job id, operation, priority
-- Returns a count, or -1 when the job does not wait in a stream
local id, operation, priority = ARGV[1], ARGV[2], tonumber(ARGV[3])
local entry = get(id, 'entry')
if get(id, 'state') ~= 'queued' or not entry then return -1 end

local function delivered_up_to(stream)
  local groups = redis.call('EXISTS', stream) == 1 and redis.call('XINFO', 'GROUPS', stream) or {}
  if not groups[1] then return '0-0' end
  for i = 1, #groups[1], 2 do
    if groups[1][i] == 'last-delivered-id' then return groups[1][i + 1] end
  end
end

local ahead = 0
for p = 0, priority do
  local stream = PREFIX .. 'q:' .. operation .. ':' .. p
  local upto = p == priority and '(' .. entry or '+'
  ahead = ahead + #redis.call('XRANGE', stream, '(' .. delivered_up_to(stream), upto)
end
return ahead
