-- A token bucket a tenant: full it holds what a minute brings. Sent twice it takes twice: no harm.
-- ARGV: tenant, tokens to take (0 to look only), tokens a minute (0 for no limit)
-- Returns {1 if they were there, whole tokens left, ms to the next one (0 when full), live jobs}
local tenant, wanted, per_minute = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local live = redis.call('SCARD', tenant_key(tenant))
if per_minute == 0 then return {1, 0, 0, live} end

local ROUNDING = 1e-6
local key = PREFIX .. 'rate:' .. tenant
local now = now_ms()
local known = redis.call('HMGET', key, 'tokens', 'at_ms')
local tokens = tonumber(known[1] or per_minute)
local passed_ms = math.max(0, now - tonumber(known[2] or now))
tokens = math.min(per_minute, tokens + passed_ms * per_minute / 60000)

local taken = tokens + ROUNDING >= wanted
if taken and wanted > 0 then
  tokens = math.max(0, tokens - wanted)
  redis.call('HSET', key, 'tokens', string.format('%.9f', tokens), 'at_ms', int(now))
  redis.call('PEXPIRE', key, int(math.ceil((per_minute - tokens) * 60000 / per_minute)))
end
local whole = math.floor(tokens + ROUNDING)
local next_ms = 0
if whole < per_minute then next_ms = math.ceil((whole + 1 - tokens) * 60000 / per_minute) end
return {taken and 1 or 0, whole, next_ms, live}
