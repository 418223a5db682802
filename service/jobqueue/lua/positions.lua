-- How many waiting jobs are ahead of each of these: the more urgent ones, and the earlier ones of its own stream.
-- ARGV: operation, number of priorities, job id, ...
-- Returns a count for each job, or -1 when it does not wait in a stream
local operation, priorities = ARGV[1], tonumber(ARGV[2])
local wanted, left, ahead = {}, #ARGV - 2, 0
for i = 3, #ARGV do wanted[ARGV[i]] = -1 end

-- Workers fetch ahead of what they start, so a delivered entry may wait as well: its job tells.
for priority = 0, priorities - 1 do
  if left == 0 then break end
  for _, item in ipairs(redis.call('XRANGE', PREFIX .. 'q:' .. operation .. ':' .. priority, '-', '+')) do
    local id = item[2][2]
    if get(id, 'state') == 'queued' then
      if wanted[id] then
        wanted[id] = ahead
        left = left - 1
      end
      ahead = ahead + 1
    end
  end
end

local positions = {}
for i = 3, #ARGV do positions[i - 2] = wanted[ARGV[i]] end
return positions
