-- How many waiting jobs are ahead of this one: the more urgent ones, and the earlier ones of its own stream.
-- ARGV: job id, operation, priority
-- Returns a count, or -1 when the job does not wait in a stream
local id, operation, priority = ARGV[1], ARGV[2], tonumber(ARGV[3])
local entry = get(id, 'entry')
if get(id, 'state') ~= 'queued' or not entry then return -1 end

-- Workers fetch ahead of what they start, so a delivered entry may wait as well: its job tells.
local ahead = 0
for p = 0, priority do
  local stream = PREFIX .. 'q:' .. operation .. ':' .. p
  local upto = p == priority and '(' .. entry or '+'
  for _, item in ipairs(redis.call('XRANGE', stream, '-', upto)) do
    if get(item[2][2], 'state') == 'queued' then ahead = ahead + 1 end
  end
end
return ahead
