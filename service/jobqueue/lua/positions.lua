-- How many waiting jobs are ahead of each of these: the more urgent ones, and the earlier ones of its own stream.
-- ARGV: operation, number of priorities, job id, ...
-- Returns a count for each job, or -1 when it does not wait in a stream
local operation, priorities = ARGV[1], tonumber(ARGV[2])
local PAGE = 100
local wanted, left, ahead = {}, #ARGV - 2, 0
for i = 3, #ARGV do wanted[ARGV[i]] = -1 end

-- Workers fetch ahead of what they start, so a delivered entry may wait as well: its job tells.
local function count(stream)
  local from = '-'
  repeat
    local items = redis.call('XRANGE', stream, from, '+', 'COUNT', PAGE)
    for _, item in ipairs(items) do
      local id = item[2][2]
      from = '(' .. item[1]
      if get(id, 'state') == 'queued' then
        if wanted[id] then
          wanted[id] = ahead
          left = left - 1
          if left == 0 then return end
        end
        ahead = ahead + 1
      end
    end
  until #items < PAGE
end

for priority = 0, priorities - 1 do
  if left > 0 then count(PREFIX .. 'q:' .. operation .. ':' .. priority) end
end

local positions = {}
for i = 3, #ARGV do positions[i - 2] = wanted[ARGV[i]] end
return positions
