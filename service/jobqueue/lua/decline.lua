-- End a held job that this worker cannot run, unless a live worker has the weights that it is for: then put it
-- off, so that two workers do not hand it back and forth. No attempt is counted. Safe to repeat.
-- ARGV: consumer, job id, stream, entry, error, weights it is for ('' where no worker can run it), pause ms, retention ms
-- Returns 'queued' | 'failed' | 'canceled' | 'lost'
local consumer, id, stream, entry, error, weights = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local pause_ms, retention_ms = tonumber(ARGV[7]), tonumber(ARGV[8])

local function is_loaded(weights)
  for _, worker in ipairs(redis.call('SMEMBERS', PREFIX .. 'workers')) do
    local info = redis.call('GET', PREFIX .. 'w:' .. worker)
    if info and cjson.decode(info).model.weights_sha256 == weights then return true end
  end
  return false
end

local pending = redis.call('XPENDING', stream, GROUP, entry, entry, 1)
if get(id, 'entry') ~= entry or not pending[1] or pending[1][2] ~= consumer then return 'lost' end

local now = now_ms()
if get(id, 'cancel') == '1' then
  conclude(id, 'canceled', now, retention_ms, {})
  return 'canceled'
end
if weights ~= '' and is_loaded(weights) then
  put_off(id, now + pause_ms)
  return 'queued'
end
conclude(id, 'failed', now, retention_ms, {'error', error})
return 'failed'
