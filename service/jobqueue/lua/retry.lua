-- Give up this attempt and try again after a pause; without attempts left the job fails with this error.
-- ARGV: job id, token, error, pause ms, max attempts, retention ms
-- Returns 'queued' | 'failed' | 'canceled' | 'lost'
local id, token, error = ARGV[1], ARGV[2], ARGV[3]
local pause_ms, max_attempts, retention_ms = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if not holds(id, token) then return 'lost' end

local now = now_ms()
if get(id, 'cancel') == '1' then
  conclude(id, 'canceled', now, retention_ms, {})
  return 'canceled'
end
if tonumber(get(id, 'attempts')) >= max_attempts then
  conclude(id, 'failed', now, retention_ms, {'error', error})
  bury(id, error)
  return 'failed'
end
if pause_ms > 0 then
  put_off(id, now + pause_ms)
else
  drop_own_entry(id)
  enqueue(id)
end
return 'queued'
