-- The clock's work, safe to run from any number of processes: due retries, deadlines, forgotten records.
-- ARGV: retention ms, deadline error
-- Returns {number of retries queued, {operation of each job that missed its deadline}}
local retention_ms, late = tonumber(ARGV[1]), ARGV[2]
local now = now_ms()
local BATCH = 100

local due = redis.call('ZRANGEBYSCORE', DELAY, '-inf', int(now), 'LIMIT', 0, BATCH)
for _, id in ipairs(due) do
  redis.call('ZREM', DELAY, id)
  enqueue(id)
end

local missed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', LIVE, '-inf', int(now), 'LIMIT', 0, BATCH)) do
  missed[#missed + 1] = get(id, 'operation')
  conclude(id, 'failed', now, retention_ms, {'error', late})
end

for _, member in ipairs(redis.call('ZRANGEBYSCORE', EXPIRING, '-inf', int(now), 'LIMIT', 0, BATCH)) do
  local tenant, id = string.match(member, '^(.*) (%S+)$')
  redis.call('ZREM', EXPIRING, member)
  redis.call('ZREM', index_key(tenant), id)
  for _, state in ipairs({'succeeded', 'failed', 'canceled'}) do
    redis.call('ZREM', state_key(tenant, state), id)
  end
end
return {#due, missed}
