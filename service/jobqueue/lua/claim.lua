-- Start an attempt of a fetched job, unless it is no longer to be run.
-- ARGV: consumer, stream, entry, job id, nonce of the fetched entry, max attempts, retention ms, crash error, deadline error
-- Returns {'run', token, job hash} | {'drop' | 'canceled' | 'expired' | 'dead', '', {}}
local consumer, stream, entry, id, nonce = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local max_attempts, retention_ms, crash, late = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8], ARGV[9]

local function answer(verdict) return {verdict, '', {}} end

local state = get(id, 'state')
if not state or is_terminal(state) or get(id, 'entry') ~= entry then
  drop_entry(stream, entry)
  return answer('drop')
end
-- Another consumer may have taken the entry over while this one was frozen.
local pending = redis.call('XPENDING', stream, GROUP, entry, entry, 1)
if not pending[1] or pending[1][2] ~= consumer then return answer('drop') end
-- The reply to an earlier call for this entry was lost and the worker asks again.
if state == 'running' and get(id, 'nonce') == nonce then
  return {'run', get(id, 'token'), redis.call('HGETALL', job_key(id))}
end

local now = now_ms()
local deadline = get(id, 'deadline_ms')
if get(id, 'cancel') == '1' then
  conclude(id, 'canceled', now, retention_ms, {})
  return answer('canceled')
end
if deadline and tonumber(deadline) <= now then
  conclude(id, 'failed', now, retention_ms, {'error', late})
  return answer('expired')
end
if tonumber(get(id, 'attempts')) >= max_attempts then
  conclude(id, 'failed', now, retention_ms, {'error', crash})
  bury(id, crash)
  return answer('dead')
end

local attempt = redis.call('HINCRBY', job_key(id), 'attempts', 1)
local token = consumer .. ':' .. attempt
move(id, 'running')
redis.call('HSET', job_key(id), 'token', token, 'nonce', nonce, 'started_ms', int(now),
  'stage', '', 'progress', 0, 'artifacts', '')
redis.call('XCLAIM', stream, GROUP, consumer, 0, entry, 'JUSTID')
announce(id)
return {'run', token, redis.call('HGETALL', job_key(id))}
