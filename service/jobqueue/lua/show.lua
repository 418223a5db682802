-- Add an artifact of a running attempt to the job, for those who watch it. Safe to repeat.
-- ARGV: job id, token, name of its blob, artifact (JSON object)
-- Returns 1, or 0 when the token is not the current one any more
local id, token, ref, artifact = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if not holds(id, token) then return 0 end
local shown = get(id, 'artifacts') or '[]'
if string.find(shown, ref, 1, true) then return 1 end
-- One list for all; each item says which of the job's changes it came with.
local item = '{"seq":' .. tonumber(get(id, 'seq')) + 1 .. ',' .. string.sub(artifact, 2)
redis.call('HSET', job_key(id), 'artifacts', (shown == '[]' and '[' or string.sub(shown, 1, -2) .. ',') .. item .. ']')
announce(id)
return 1
