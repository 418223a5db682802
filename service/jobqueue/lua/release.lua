-- Give a held or running job back to the queue at once; a started attempt does not count.
-- ARGV: consumer, job id, stream, entry, token ('' for a job that was only held), retention ms
-- Returns 'queued' | 'canceled' | 'lost'
local consumer, id, stream, entry, token = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if token ~= '' then
  if not holds(id, token) then return 'lost' end
  redis.call('HINCRBY', job_key(id), 'attempts', -1)
else
  local pending = redis.call('XPENDING', stream, GROUP, entry, entry, 1)
  if get(id, 'entry') ~= entry or not pending[1] or pending[1][2] ~= consumer then return 'lost' end
end
if get(id, 'cancel') == '1' then
  conclude(id, 'canceled', now_ms(), tonumber(ARGV[6]), {})
  return 'canceled'
end
drop_entry(stream, entry)
enqueue(id)
return 'queued'
