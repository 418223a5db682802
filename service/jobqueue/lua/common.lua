-- Shared by all scripts: placed before each of them. Only Redis 7.0 commands.
-- A script is atomic; all times are the server's clock, in Unix milliseconds.
-- Keys are derived inside the scripts, so the queue needs one primary, not a cluster.

local GROUP = 'w'
local PREFIX = 'lg:'
local LIVE, DELAY, EVENTS, EXPIRING = PREFIX .. 'live', PREFIX .. 'delay', PREFIX .. 'ev', PREFIX .. 'expiring'

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Lua would print large numbers as 1.7e+12.
local function int(n) return string.format('%.0f', n) end

local function job_key(id) return PREFIX .. 'job:' .. id end
local function tenant_key(tenant) return PREFIX .. 'tl:' .. tenant end
local function index_key(tenant) return PREFIX .. 'jobs:' .. tenant end
local function state_key(tenant, state) return PREFIX .. 'in:' .. state .. ':' .. tenant end
-- Scored by when they expire: the newest last. Of shapes that have expired nothing is shown.
local function children_key(shape) return PREFIX .. 'made_from:' .. shape end

local function get(id, field)
  local value = redis.call('HGET', job_key(id), field)
  return value and value ~= '' and value or nil
end

local function is_terminal(state)
  return state == 'succeeded' or state == 'failed' or state == 'canceled'
end

-- The only way to change a job's state: lists by state keep up with it.
local function move(id, state)
  local tenant, before = get(id, 'tenant'), get(id, 'state')
  if before then redis.call('ZREM', state_key(tenant, before), id) end
  redis.call('ZADD', state_key(tenant, state), 0, id)
  redis.call('HSET', job_key(id), 'state', state)
end

-- Wake whoever waits for this job.
local function wake(id) redis.call('XADD', EVENTS, 'MAXLEN', '~', 10000, '*', 'id', id) end

-- Count a visible change and tell of it.
local function announce(id)
  redis.call('HINCRBY', job_key(id), 'seq', 1)
  wake(id)
end

local function drop_entry(stream, entry)
  -- The group is missing only until the first fetch; then nothing is pending either.
  redis.pcall('XACK', stream, GROUP, entry)
  redis.call('XDEL', stream, entry)
end

local function drop_own_entry(id)
  local stream, entry = get(id, 'stream'), get(id, 'entry')
  if entry then drop_entry(stream, entry) end
end

-- Make the job wait in its stream for a worker.
local function enqueue(id)
  local stream = get(id, 'stream')
  local entry = redis.call('XADD', stream, '*', 'job', id)
  move(id, 'queued')
  redis.call('HSET', job_key(id), 'entry', entry, 'token', '', 'nonce', '',
    'started_ms', '', 'stage', '', 'progress', 0, 'artifacts', '')
  announce(id)
end

-- Make the job wait outside of its stream until it is due; `tick` puts it back.
local function put_off(id, due)
  drop_own_entry(id)
  move(id, 'queued')
  redis.call('HSET', job_key(id), 'entry', '', 'token', '', 'nonce', '',
    'started_ms', '', 'stage', '', 'progress', 0, 'artifacts', '')
  redis.call('ZADD', DELAY, int(due), id)
  announce(id)
end

-- The only door to a terminal state; the job must not be in one yet.
local function conclude(id, state, now, retention_ms, fields)
  local key = job_key(id)
  local tenant = get(id, 'tenant')
  local expires = now + retention_ms
  drop_own_entry(id)
  move(id, state)
  redis.call('HSET', key, 'finished_ms', int(now), 'expires_ms', int(expires),
    'token', '', 'entry', '', 'stage', '')
  if #fields > 0 then redis.call('HSET', key, unpack(fields)) end
  redis.call('ZREM', LIVE, id)
  redis.call('ZREM', DELAY, id)
  redis.call('SREM', tenant_key(tenant), id)
  redis.call('PEXPIREAT', key, int(expires))
  redis.call('ZADD', EXPIRING, int(expires), tenant .. ' ' .. id)
  announce(id)
end

local function bury(id, error)
  redis.call('XADD', PREFIX .. 'dlq', 'MAXLEN', '~', 1000, '*', 'id', id, 'error', error)
end

-- True while this token may still speak for the job.
local function holds(id, token)
  return get(id, 'state') == 'running' and get(id, 'token') == token
end

-- Tell how far a running job is; true where that is news.
local function reach(id, stage, progress)
  if (get(id, 'stage') or '') == stage and get(id, 'progress') == progress then return false end
  redis.call('HSET', job_key(id), 'stage', stage, 'progress', progress)
  return true
end

-- Add artifacts (JSON objects) to the job: one list for all, each with a change of the job of its own.
local function add_artifacts(id, artifacts)
  local items = {}
  for i, artifact in ipairs(artifacts) do
    items[i] = '{"seq":' .. redis.call('HINCRBY', job_key(id), 'seq', 1) .. ',' .. string.sub(artifact, 2)
  end
  local shown = get(id, 'artifacts')
  if shown then table.insert(items, 1, string.sub(shown, 2, -2)) end
  redis.call('HSET', job_key(id), 'artifacts', '[' .. table.concat(items, ',') .. ']')
end
