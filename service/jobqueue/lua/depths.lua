-- Load of each stream, for metrics.
-- ARGV: stream, stream, ...
-- Returns {{entries, age of the oldest in ms}, ...}
local now = now_ms()
local loads = {}
for i, stream in ipairs(ARGV) do
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)
  local age = first[1] and now - tonumber(string.match(first[1][1], '^%d+')) or 0
  loads[i] = {redis.call('XLEN', stream), age}
end
return loads
