-- Ends jobs of turns, or the turns. ARGV: node, then for each turn: host, token, next allowed ('' keeps the
-- lease), number of jobs, and for each of these: job, and its next due time ('' removes the job). A due time may be
-- followed by ` 1` if the job crashed or ` 0` if not, and the number of exchanges; the default is ` 0 1`.
-- Returns for each turn 1, or 0 if its lease is no longer valid.
local node, at, results = ARGV[4], 5, {}

-- Charges the client of a completed job for its exchanges.
local function charge(host, job, exchanges, clock)
  if not call('ZSCORE', P .. 'j:' .. host, job) then return end
  local client = client_of(host, job)
  local tag = math.max(number(call('HGET', P .. 'g:' .. host, client)), clock)
  local price = math.max(exchanges, 1) * cost(call('HGET', P .. 'w:' .. host, client))
  call('HSET', P .. 'g:' .. host, client, digits(tag + price))
end

-- Ends the jobs in the arguments from `first` to `last`; `fields` are those of the host.
local function end_jobs(host, first, last, fields)
  local j = P .. 'j:' .. host
  local has_crashed, is_shared = fields[4], fields[6]
  local rescheduled, succeeded, states = {}, {}, nil
  for job_at = first, last, 2 do
    local job, due, crashed, exchanges = ARGV[job_at], ARGV[job_at + 1], '0', '1'
    if string.find(due, ' ', 1, true) then due, crashed, exchanges = string.match(due, '^(%S*) (%d) (%d+)$') end
    if is_shared then charge(host, job, tonumber(exchanges), number(fields[7])) end
    if due == '' then
      states = states or parse_turn(fields[3])
      -- A job that was planned again meanwhile has no state in the turn and stays.
      if states[job] then remove_job(host, job) end
    else
      rescheduled[#rescheduled + 1] = digits(tonumber(due) + shift)
      rescheduled[#rescheduled + 1] = job
      if crashed == '0' then
        if has_crashed then succeeded[#succeeded + 1] = job end
      elseif call('ZSCORE', j, job) then count_crash(host, job) end
    end
  end
  if #rescheduled > 0 then call('ZADD', j, 'XX', unpack(rescheduled)) end
  if is_shared then
    for due_at = 1, #rescheduled, 2 do
      local client = client_of(host, rescheduled[due_at + 1])
      call('ZADD', queue(host, client), 'XX', rescheduled[due_at], rescheduled[due_at + 1])
      set_head(host, client)
    end
  end
  if #succeeded > 0 then call('HDEL', P .. 'x:' .. host, unpack(succeeded)) end
end

-- Starts the next waiting job of a turn, after the previous ones have ended.
local function start_next_job(host, first, last, turn)
  local states, order = parse_turn(turn)
  for job_at = first, last, 2 do states[ARGV[job_at]] = nil end
  for _, job in ipairs(order) do
    if states[job] == '1' then
      states[job] = '2'
      break
    end
  end
  write_turn(host, states, order)
end

while ARGV[at] do
  local host, token, release, jobs = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local first = at + 4
  at = first + 2 * jobs
  local h = P .. 'h:' .. host
  local fields = call('HMGET', h, 'tok', 'own', 'fl', 'x', 'bu', 'sh', 'vt')
  if not accept_lease(host, token, node, fields[1], fields[2]) then
    results[#results + 1] = 0
  else
    end_jobs(host, first, at - 1, fields)
    if release ~= '' then
      local rested = tonumber(release) + shift
      call('HDEL', OWN, host)
      call('HSET', h, 'own', '', 'lease', '', 'fl', '', 'na', digits(rested))
      set_free(host, rested, number(fields[5]))
    elseif jobs > 0 then
      start_next_job(host, first, at - 1, fields[3])
    end
    results[#results + 1] = 1
  end
end
return results
