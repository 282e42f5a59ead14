-- Ends jobs of turns, or the turns. ARGV: node, then for each turn: host, token, next allowed ('' keeps the
-- host), number of jobs, and for each of these: job, next due ('' ends it), 1 where it crashed.
-- Returns 1 or, where the lease is over, 0 for each turn.
local node, at, done = ARGV[4], 5, {}
while ARGV[at] do
  local host, token, release, jobs = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local first = at + 4
  at = first + 3 * jobs
  local h, j, x = P .. 'h:' .. host, P .. 'j:' .. host, P .. 'x:' .. host
  local was = call('HMGET', h, 'tok', 'own', 'fl', 'x', 'bu')
  if not holds(host, token, node, was[1], was[2]) then
    done[#done + 1] = 0
  else
    local place, order = in_turn(was[3])
    local again, fine = {}, {}
    for job_at = first, at - 1, 3 do
      local job, due = ARGV[job_at], ARGV[job_at + 1]
      if due == '' then
        -- Not one that was planned anew meanwhile.
        if place[job] then forget(host, job) end
      else
        again[#again + 1] = tonumber(due) + shift
        again[#again + 1] = job
        if ARGV[job_at + 2] == '0' then fine[#fine + 1] = job
        elseif call('ZSCORE', j, job) then count_crash(host, job) end
      end
      place[job] = nil
    end
    if #again > 0 then call('ZADD', j, 'XX', unpack(again)) end
    if #fine > 0 and was[4] then call('HDEL', x, unpack(fine)) end
    if release ~= '' then
      local rested = tonumber(release) + shift
      call('HDEL', OWN, host)
      call('HSET', h, 'own', '', 'lease', '', 'fl', '', 'na', digits(rested))
      set_free(host, rested, number(was[5]))
    elseif jobs > 0 then
      for _, job in ipairs(order) do
        if place[job] == '1' then
          place[job] = '2'
          break
        end
      end
      write_turn(host, place, order)
    end
    done[#done + 1] = 1
  end
end
return done
