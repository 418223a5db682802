-- Renew the lease of a running job and tell how far it is.
-- ARGV: consumer, job id, token, stage ('' for none), progress
-- Returns 'ok' | 'cancel' | 'lost'
local consumer, id, token, stage, progress = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if not holds(id, token) then return 'lost' end
redis.call('XCLAIM', get(id, 'stream'), GROUP, consumer, 0, get(id, 'entry'), 'JUSTID')
if reach(id, stage, progress) then announce(id) end
return get(id, 'cancel') == '1' and 'cancel' or 'ok'
