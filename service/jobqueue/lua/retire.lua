-- Forget a consumer that has ended, and others that died long ago, but only those without pending entries:
-- deleting a consumer loses what is pending for it.
-- ARGV: consumer, idle ms after which a consumer counts as dead, stream, stream, ...
-- Returns the number of consumers forgotten
local consumer, dead_ms = ARGV[1], tonumber(ARGV[2])
local forgotten = 0
for i = 3, #ARGV do
  local stream = ARGV[i]
  local has_group = redis.call('EXISTS', stream) == 1 and #redis.call('XINFO', 'GROUPS', stream) > 0
  for _, info in ipairs(has_group and redis.call('XINFO', 'CONSUMERS', stream, GROUP) or {}) do
    local name, pending, idle = info[2], info[4], info[6]
    if pending == 0 and (name == consumer or idle > dead_ms) then
      redis.call('XGROUP', 'DELCONSUMER', stream, GROUP, name)
      forgotten = forgotten + 1
    end
  end
end
return forgotten
