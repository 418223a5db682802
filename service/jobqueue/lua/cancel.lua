-- Cancel a job: a waiting one at once, a running one by a flag that its worker obeys.
-- ARGV: job id, retention ms
-- Returns 'canceled' | 'requested' | 'final' | 'unknown'
local id, retention_ms = ARGV[1], tonumber(ARGV[2])
local state = get(id, 'state')
if not state then return 'unknown' end
if is_terminal(state) then return 'final' end
if state == 'queued' then
  conclude(id, 'canceled', now_ms(), retention_ms, {})
  return 'canceled'
end
if get(id, 'cancel') ~= '1' then
  redis.call('HSET', job_key(id), 'cancel', 1)
  announce(id)
end
redis.call('PUBLISH', PREFIX .. 'cancel', id)
return 'requested'
