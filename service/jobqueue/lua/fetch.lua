-- Take up to `count` entries for a consumer: first those whose lease ran out, then new ones, most urgent first.
-- ARGV: consumer, count, lease ms, stream, stream, ... (in the order to read them)
-- Returns {{{stream, entry, job id, job hash}, ...}, {last entry id of each stream}}
local consumer, count, lease_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local taken, tails = {}, {}

local function take(stream, entries)
  for _, entry in ipairs(entries) do
    local id = entry[2][2]
    local job = redis.call('HGETALL', job_key(id))
    if #job == 0 or get(id, 'entry') ~= entry[1] then
      drop_entry(stream, entry[1])
    else
      taken[#taken + 1] = {stream, entry[1], id, job}
    end
  end
end

local function reclaim(stream)
  local cursor = '0-0'
  repeat
    local reply = redis.call('XAUTOCLAIM', stream, GROUP, consumer, lease_ms, cursor, 'COUNT', count - #taken)
    cursor = reply[1]
    take(stream, reply[2])
  until cursor == '0-0' or #taken >= count
end

local function read(stream)
  while #taken < count do
    local reply = redis.call('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', count - #taken, 'STREAMS', stream, '>')
    if not reply then return end
    take(stream, reply[1][2])
  end
end

for i = 4, #ARGV do
  -- BUSYGROUP: the group is there already. From 0, so that jobs submitted before any worker came are seen.
  if redis.call('EXISTS', ARGV[i]) == 0 or #redis.call('XINFO', 'GROUPS', ARGV[i]) == 0 then
    redis.call('XGROUP', 'CREATE', ARGV[i], GROUP, '0', 'MKSTREAM')
  end
end
for i = 4, #ARGV do
  if #taken < count then reclaim(ARGV[i]) end
end
for i = 4, #ARGV do read(ARGV[i]) end
for i = 4, #ARGV do
  local last = redis.call('XREVRANGE', ARGV[i], '+', '-', 'COUNT', 1)
  tails[#tails + 1] = last[1] and last[1][1] or '0-0'
end
return {taken, tails}
