-- The ancestors, then the descendants of a shape, nearest first; those of other tenants have no record.
-- ARGV: shape id, tenant, most shapes to return, most children to name of each
-- Returns {{id, record or '', number of children, {child, ... the newest first}}, ...}, the shape itself first
local root, tenant, most, most_children = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = int(now_ms())
local family, seen = {}, {}

-- Adds a shape to the family; returns its parents and its children.
local function meet(id)
  local text = redis.call('GET', PREFIX .. 'shape:' .. id)
  local record = text and cjson.decode(text)
  seen[id] = true
  if not record or record.tenant ~= tenant then
    family[#family + 1] = {id, '', 0, {}}
    return {}, {}
  end
  local key = children_key(id)
  local children = redis.call('ZREVRANGEBYSCORE', key, '+inf', '(' .. now, 'LIMIT', 0, most_children)
  family[#family + 1] = {id, text, redis.call('ZCOUNT', key, '(' .. now, '+inf'), children}
  return record.parents, children
end

local function walk(first, upwards)
  local waiting = {unpack(first)} -- a copy: `first` is told, as somebody's children
  local i = 1
  while i <= #waiting and #family < most do
    if not seen[waiting[i]] then
      local parents, children = meet(waiting[i])
      for _, id in ipairs(upwards and parents or children) do waiting[#waiting + 1] = id end
    end
    i = i + 1
  end
end

local parents, children = meet(root)
walk(parents, true)
walk(children, false)
return family
