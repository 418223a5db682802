-- Add an artifact of a running attempt to the job, for those who watch it. Safe to repeat.
-- What it was made in is told with it: a change of its own, before the artifact's.
-- ARGV: job id, token, name of its blob, artifact (JSON object), stage ('' for none), progress
-- Returns 1, or 0 when the token is not the current one any more
local id, token, ref, artifact, stage, progress = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if not holds(id, token) then return 0 end
if string.find(get(id, 'artifacts') or '', ref, 1, true) then return 1 end
if reach(id, stage, progress) then redis.call('HINCRBY', job_key(id), 'seq', 1) end
add_artifacts(id, {artifact})
wake(id)
return 1
