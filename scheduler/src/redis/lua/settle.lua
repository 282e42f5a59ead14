-- Ends jobs of turns, or the turns. ARGV: node, then for each turn: host, token, next allowed ('' keeps the
-- host), number of jobs, and for each of these: job, and when it is due next ('' ends it), behind which may stand
-- ` 1` where it crashed, or ` 0`, and how many exchanges it took, where it was not one.
-- Returns 1 or, where the lease is over, 0 for each turn.
local node, at, done = ARGV[4], 5, {}

-- Charges a job's client for what it took.
local function charge(host, job, exchanges, clock)
  if not call('ZSCORE', P .. 'j:' .. host, job) then return end
  local client = client_of(host, job)
  local tag = math.max(number(call('HGET', P .. 'g:' .. host, client)), clock)
  local price = math.max(exchanges, 1) * cost(call('HGET', P .. 'w:' .. host, client))
  call('HSET', P .. 'g:' .. host, client, digits(tag + price))
end

-- Ends the jobs that stand in these arguments; `was` is what is known of the host.
local function end_jobs(host, first, last, was)
  local j = P .. 'j:' .. host
  local has_crashed, is_shared = was[4], was[6]
  local again, fine, place = {}, {}, nil
  for job_at = first, last, 2 do
    local job, due, crashed, exchanges = ARGV[job_at], ARGV[job_at + 1], '0', '1'
    if string.find(due, ' ', 1, true) then due, crashed, exchanges = string.match(due, '^(%S*) (%d) (%d+)$') end
    if is_shared then charge(host, job, tonumber(exchanges), number(was[7])) end
    if due == '' then
      place = place or in_turn(was[3])
      -- Not one that was planned anew meanwhile.
      if place[job] then forget(host, job) end
    else
      again[#again + 1] = digits(tonumber(due) + shift)
      again[#again + 1] = job
      if crashed == '0' then
        if has_crashed then fine[#fine + 1] = job end
      elseif call('ZSCORE', j, job) then count_crash(host, job) end
    end
  end
  if #again > 0 then call('ZADD', j, 'XX', unpack(again)) end
  if is_shared then
    for due_at = 1, #again, 2 do
      local client = client_of(host, again[due_at + 1])
      call('ZADD', queue(host, client), 'XX', again[due_at], again[due_at + 1])
      set_head(host, client)
    end
  end
  if #fine > 0 then call('HDEL', P .. 'x:' .. host, unpack(fine)) end
end

-- The next job of a turn begins where the ones before it have ended.
local function begin_next(host, first, last, turn)
  local place, order = in_turn(turn)
  for job_at = first, last, 2 do place[ARGV[job_at]] = nil end
  for _, job in ipairs(order) do
    if place[job] == '1' then
      place[job] = '2'
      break
    end
  end
  write_turn(host, place, order)
end

while ARGV[at] do
  local host, token, release, jobs = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local first = at + 4
  at = first + 2 * jobs
  local h = P .. 'h:' .. host
  local was = call('HMGET', h, 'tok', 'own', 'fl', 'x', 'bu', 'sh', 'vt')
  if not holds(host, token, node, was[1], was[2]) then
    done[#done + 1] = 0
  else
    end_jobs(host, first, at - 1, was)
    if release ~= '' then
      local rested = tonumber(release) + shift
      call('HDEL', OWN, host)
      call('HSET', h, 'own', '', 'lease', '', 'fl', '', 'na', digits(rested))
      set_free(host, rested, number(was[5]))
    elseif jobs > 0 then
      begin_next(host, first, at - 1, was[3])
    end
    done[#done + 1] = 1
  end
end
return done
