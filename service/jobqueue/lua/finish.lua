-- Publish the outcome of a running job with its shapes; only the holder of the token can. Safe to repeat.
-- ARGV: job id, token, state, retention ms, result, error, timings,
--       work (0 where the time it took tells nothing of other jobs), jobs that ran together,
--       number of final artifacts, artifact (JSON object), artifact, ...
--       then for each shape: id, record, expires ms, number of parents, parent, parent, ...
-- Returns 1, or 0 when the token is not the current one any more
local id, token, state, retention_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local work, together = tonumber(ARGV[8]), tonumber(ARGV[9])

local TRACE_MS = 30 * 24 * 3600 * 1000

local function publish(now, shape, record, expires, parents)
  redis.call('SET', PREFIX .. 'shape:' .. shape, record, 'PXAT', expires)
  -- What is left of it for a while: an id alone does not tell a gone shape from none.
  redis.call('SET', PREFIX .. 'trace:' .. shape, expires .. ' ' .. get(id, 'tenant'), 'PXAT',
    int(tonumber(expires) + TRACE_MS))
  for _, parent in ipairs(parents) do
    local children = children_key(parent)
    redis.call('ZREMRANGEBYSCORE', children, '-inf', int(now))
    redis.call('ZADD', children, expires, shape)
    if redis.call('PTTL', children) == -1 then
      redis.call('PEXPIREAT', children, expires)
    else
      redis.call('PEXPIREAT', children, expires, 'GT')
    end
  end
end

-- A mean over the last ten or so.
local function follow(key, value)
  local mean = tonumber(redis.call('GET', key) or value)
  redis.call('SET', key, string.format('%.3f', 0.9 * mean + 0.1 * value))
end

if get(id, 'final_token') == token then return 1 end
if not holds(id, token) then return 0 end

local now = now_ms()
if work > 0 then
  local run_ms = now - tonumber(get(id, 'started_ms'))
  -- What it cost a worker, which ran its mates in the same time; and what it took itself, mates or no.
  follow(PREFIX .. 'mean_ms', run_ms / together)
  follow(PREFIX .. 'work_ms:' .. get(id, 'operation'), run_ms / work)
end
local i, final = 11 + tonumber(ARGV[10]), {}
for j = 11, i - 1 do final[#final + 1] = ARGV[j] end
if #final > 0 then
  -- They come from the last stage, of which nobody may have been told yet.
  if reach(id, 'export', get(id, 'progress')) then redis.call('HINCRBY', job_key(id), 'seq', 1) end
  add_artifacts(id, final)
end
conclude(id, state, now, retention_ms, {'final_token', token, 'result', ARGV[5], 'error', ARGV[6],
  'timings', ARGV[7], 'progress', state == 'succeeded' and 1 or get(id, 'progress')})

while i <= #ARGV do
  local parents = {}
  local count = tonumber(ARGV[i + 3])
  for j = 1, count do parents[j] = ARGV[i + 3 + j] end
  publish(now, ARGV[i], ARGV[i + 1], ARGV[i + 2], parents)
  i = i + 4 + count
end
return 1
