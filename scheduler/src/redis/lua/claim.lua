-- Leases hosts that are ready. ARGV: node, lease duration, maximum number of hosts, maximum number of jobs per host,
-- latest due time, number of this claim, number of the last claim whose reply arrived ('' if that is the previous
-- one), embargo duration, 1 if the server must be checked for a failover.
-- Returns: now, time of the next look ('' if the shard is empty), and turns: host, eligible since, token, lease end,
-- next allowed, delay, robots delay, {job, due ...}, {crashes ...} if a job of the host has crashed.
local node, lease, hosts, jobs = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local due_by = math.min(tonumber(ARGV[8]) + shift, now)
local claim, arrived, embargo = ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11])
-- Upper bound on the hosts examined in one call: hosts that a single pass skips stay at the front.
local MAX_HOSTS = 2048

local failed_over, embargoed = check_server(embargo, ARGV[12] == '1')

local turns = {}

-- Appends a turn. `h` has fields of the host: next allowed, two delays, that of robots.txt, and '1' if a job has
-- crashed.
local function add_turn(host, since, token, lease_end, h, due)
  local crashes = {}
  if h[5] then
    for at = 1, #due, 2 do crashes[#crashes + 1] = number(call('HGET', P .. 'x:' .. host, due[at])) end
  end
  local delay = math.max(number(h[2]), number(h[3]))
  turns[#turns + 1] = {host, since, token, lease_end, number(h[1]), delay, number(h[4]), due, crashes}
end

-- Returns a turn again, unchanged, if the reply to the claim that leased it was lost.
local function repeat_turn(host)
  local h = call('HMGET', P .. 'h:' .. host, 'na', 'dl', 'ld', 'rd', 'x', 'fl', 'cl', 'tok')
  if number(h[7]) <= arrived then return end
  local due = {}
  for _, job in ipairs(select(2, parse_turn(h[6]))) do
    local score = call('ZSCORE', P .. 'j:' .. host, job)
    if score then
      due[#due + 1] = job
      due[#due + 1] = score
    end
  end
  call('HSET', P .. 'h:' .. host, 'lease', digits(now + lease))
  call('ZADD', DUE, digits(now + lease), host)
  add_turn(host, now, h[8], now + lease, h, due)
end

if arrived then
  local leases = call('HGETALL', OWN)
  for at = 1, #leases, 2 do
    if leases[at + 1] == node then repeat_turn(leases[at]) end
  end
end

-- The embargo forbids new leases; the turns above are leased already.
if now < embargoed then return {now, digits(embargoed), turns} end

-- Upper bound on the clients of a host considered in one turn: those whose jobs have waited for longest.
local MAX_CLIENTS = 1024

-- Returns the due jobs of all clients in the order of execution, as in fairness.rs: job, due ...
local function fair_jobs(host, clock)
  local clients = call('ZRANGEBYSCORE', P .. 'a:' .. host, '-inf', due_by, 'WITHSCORES', 'LIMIT', 0, MAX_CLIENTS)
  local all = {}
  for at = 1, #clients, 2 do
    local client = clients[at]
    local tag = math.max(number(call('HGET', P .. 'g:' .. host, client)), clock)
    local price = cost(call('HGET', P .. 'w:' .. host, client))
    all[#all + 1] = {name = client, tag = tag, due = tonumber(clients[at + 1]), price = price, at = 1}
  end
  local order = {}
  while #order < 2 * jobs do
    local best
    for _, one in ipairs(all) do
      if one.due and (not best or one.tag < best.tag or one.tag == best.tag and
          (one.due < best.due or one.due == best.due and one.name < best.name)) then best = one end
    end
    if not best then break end
    if #order == 0 then call('HSET', P .. 'h:' .. host, 'vt', digits(best.tag)) end
    local key = queue(host, best.name)
    best.jobs = best.jobs or call('ZRANGEBYSCORE', key, '-inf', due_by, 'WITHSCORES', 'LIMIT', 0, jobs)
    order[#order + 1] = best.jobs[best.at]
    order[#order + 1] = best.jobs[best.at + 1]
    best.at, best.tag = best.at + 2, best.tag + best.price
    best.due = tonumber(best.jobs[best.at + 1])
  end
  return order
end

local function due_jobs(host, is_shared, clock)
  if is_shared then
    local due = fair_jobs(host, number(clock))
    -- A node of an earlier build in the same cluster does not know clients: its jobs are in no client's queue.
    if #due > 0 then return due end
  end
  return call('ZRANGEBYSCORE', P .. 'j:' .. host, '-inf', due_by, 'WITHSCORES', 'LIMIT', 0, jobs)
end

-- Examines a host. Returns 1 if it was leased, 0 if its time was moved, nothing if its time is unchanged.
local function visit(host, since)
  local h = call('HMGET', P .. 'h:' .. host, 'na', 'dl', 'ld', 'rd', 'x', 'tok', 'own', 'bu', 'sh', 'vt')
  if is_leased(h[7]) then
    expire(host, true)
    return 0
  end
  local due = due_jobs(host, h[9], h[10])
  if #due == 0 then
    set_free(host, number(h[1]), number(h[8]))
    return since <= due_by and 0 or nil
  end
  if failed_over > 0 then
    local rested = failed_over + math.max(number(h[2]), number(h[3]), number(h[4]))
    if now < rested then
      -- Its next allowed time may have been lost with the last writes of the old server.
      rested = math.max(number(h[1]), rested)
      call('HSET', P .. 'h:' .. host, 'na', digits(rested))
      set_free(host, rested, number(h[8]))
      return 0
    end
  end
  local list = {'2' .. due[1]}
  for at = 3, #due, 2 do list[#list + 1] = '1' .. due[at] end
  local token, lease_end = lease_host(host, node, lease, h[6], table.concat(list, ' '), claim)
  add_turn(host, since, token, lease_end, h, due)
  return 1
end

-- Reads the first hosts and one more: if all others were leased, the time of that one is the time of the next look.
local visited, skipped, next_look, is_done = 0, 0, nil, false
while #turns < hosts and not is_done and visited < MAX_HOSTS do
  local page = call('ZRANGE', DUE, skipped, skipped + hosts - #turns, 'WITHSCORES')
  local at, all_leased = 1, skipped == 0
  while #turns < hosts and page[at] and tonumber(page[at + 1]) <= now do
    local outcome = visit(page[at], tonumber(page[at + 1]))
    if not outcome then skipped = skipped + 1 end
    all_leased = all_leased and outcome == 1
    at = at + 2
  end
  visited = visited + (at - 1) / 2
  next_look, is_done = all_leased and (page[at + 1] or ''), at == 1
end

if not next_look then
  next_look = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')[2] or ''
elseif #turns > 0 then
  next_look = math.min(tonumber(next_look) or now + lease, now + lease)
end
return {now, next_look == '' and '' or digits(tonumber(next_look)), turns}
