-- Renew the lease of entries that a consumer has fetched but not started. Entries of others are left alone.
-- ARGV: consumer, stream, entry, stream, entry, ...
local consumer = ARGV[1]
for i = 2, #ARGV, 2 do
  local pending = redis.call('XPENDING', ARGV[i], GROUP, ARGV[i + 1], ARGV[i + 1], 1)
  if pending[1] and pending[1][2] == consumer then
    redis.call('XCLAIM', ARGV[i], GROUP, consumer, 0, ARGV[i + 1], 'JUSTID')
  end
end
return 'ok'
