-- Admit a new job, or find the one that the same idempotency key made. Safe to repeat with the same id.
-- ARGV: id, idempotency key ('' for none: lg:idem: is added), request hash, idempotency life ms,
--       queue cap, tenant cap, tenant, operation, priority, deadline ms ('' for none), then field, value, ... of the job
-- Returns {'created' | 'existing' | 'conflict' | 'queue_full' | 'tenant_full', job id}
local id, idem, request_hash, idem_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local queue_cap, tenant_cap = tonumber(ARGV[5]), tonumber(ARGV[6])
local tenant, operation, priority, deadline = ARGV[7], ARGV[8], ARGV[9], ARGV[10]

if redis.call('EXISTS', job_key(id)) == 1 then return {'created', id} end
if idem ~= '' then
  local known = redis.call('GET', idem)
  if known then
    local hash, other = string.match(known, '^(.*) (%S+)$')
    if redis.call('EXISTS', job_key(other)) == 1 then
      return {hash == request_hash and 'existing' or 'conflict', other}
    end
  end
end
if redis.call('ZCARD', LIVE) >= queue_cap then return {'queue_full', ''} end
if redis.call('SCARD', tenant_key(tenant)) >= tenant_cap then return {'tenant_full', ''} end

local now = now_ms()
redis.call('HSET', job_key(id), 'id', id, 'tenant', tenant, 'operation', operation, 'priority', priority,
  'deadline_ms', deadline, 'created_ms', int(now), 'attempts', 0, 'seq', 0, 'cancel', 0,
  'stream', PREFIX .. 'q:' .. operation .. ':' .. priority, unpack(ARGV, 11))
redis.call('ZADD', LIVE, deadline == '' and '+inf' or deadline, id)
redis.call('SADD', tenant_key(tenant), id)
redis.call('ZADD', index_key(tenant), 0, id)
if idem ~= '' then redis.call('SET', idem, request_hash .. ' ' .. id, 'PX', idem_ms) end
enqueue(id)
return {'created', id}
