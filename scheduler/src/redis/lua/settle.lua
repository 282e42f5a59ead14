-- Ends jobs of turns, or the turns. ARGV: node, then for each turn: host, token, next allowed ('' keeps the
-- host), number of jobs, and for each of these: job, next due ('' ends it), 1 where it crashed, exchanges it took.
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

while ARGV[at] do
  local host, token, release, jobs = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local first = at + 4
  at = first + 4 * jobs
  local h, j, x = P .. 'h:' .. host, P .. 'j:' .. host, P .. 'x:' .. host
  local was = call('HMGET', h, 'tok', 'own', 'fl', 'x', 'bu', 'sh', 'vt')
  if not holds(host, token, node, was[1], was[2]) then
    done[#done + 1] = 0
  else
    local place, order = in_turn(was[3])
    local again, fine = {}, {}
    local is_shared = was[6]
    for job_at = first, at - 1, 4 do
      local job, due = ARGV[job_at], ARGV[job_at + 1]
      if is_shared then charge(host, job, tonumber(ARGV[job_at + 3]), number(was[7])) end
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
    if is_shared then
      for due_at = 1, #again, 2 do
        local client = client_of(host, again[due_at + 1])
        call('ZADD', queue(host, client), 'XX', again[due_at], again[due_at + 1])
        set_head(host, client)
      end
    end
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
