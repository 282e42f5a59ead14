-- Finds the time of the next claimable turn of the shard. ARGV: latest due time of the jobs, latest end of the blocks.
-- Returns now and that time, or ''.
local due_by, blocked_by = tonumber(ARGV[4]) + shift, tonumber(ARGV[5]) + shift
-- Upper bound on the hosts examined; beyond it the best time so far is near enough.
local MAX_HOSTS, PAGE = 4096, 64
local best
for page = 0, MAX_HOSTS - 1, PAGE do
  local ready = call('ZRANGE', DUE, page, page + PAGE - 1, 'WITHSCORES')
  for at = 1, #ready, 2 do
    local host, score = ready[at], tonumber(ready[at + 1])
    if best and score >= best then return {now, digits(best)} end
    local head = call('ZRANGE', P .. 'j:' .. host, 0, 0, 'WITHSCORES')
    if head[2] and tonumber(head[2]) <= due_by then
      local h = call('HMGET', P .. 'h:' .. host, 'na', 'bu', 'lease')
      if number(h[2]) <= blocked_by then
        local time = math.max(tonumber(head[2]), number(h[1]), number(h[2]), number(h[3]))
        best = math.min(best or time, time)
      end
    end
  end
  if #ready < 2 * PAGE then break end
end
return {now, best and digits(best) or ''}
