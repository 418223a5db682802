-- A page of a tenant's jobs by id, which is by time of submission, with one look at each.
-- ARGV: tenant, state ('' for any), order (asc | desc), id to begin behind ('' for the first), limit
-- Returns {job hash, ...}
local tenant, state, order, after, limit = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local index = state == '' and index_key(tenant) or state_key(tenant, state)

local function read(count)
  local start = after ~= '' and '(' .. after
  if order == 'asc' then
    return redis.call('ZRANGEBYLEX', index, start or '-', '+', 'LIMIT', 0, count)
  end
  return redis.call('ZREVRANGEBYLEX', index, start or '+', '-', 'LIMIT', 0, count)
end

local jobs = {}
repeat
  local wanted = limit - #jobs
  local ids = read(wanted)
  for _, id in ipairs(ids) do
    local job = redis.call('HGETALL', job_key(id))
    if #job > 0 then jobs[#jobs + 1] = job else redis.call('ZREM', index, id) end
    after = id
  end
until #ids < wanted or #jobs == limit
return jobs
