-- Hands out hosts whose time has come. ARGV: node, length of the lease, hosts at most, jobs of each at most,
-- latest due time, number of this claim, number of the last one whose answer arrived ('' where that is the one
-- before), length of the embargo, 1 where the server is to be looked at.
-- Returns: now, when to look again ('' where there is nothing), and turns: host, eligible since, token, lease end,
-- next allowed, delay, robots delay, {job, due ...}, {crashes ...} where a job has crashed.
local node, lease, hosts, jobs = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local due_by = math.min(tonumber(ARGV[8]) + shift, now)
local claim, arrived, embargo = ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11])
-- Hosts looked at in one call, at most: those that a single pass leaves alone stay at the front.
local MOST = 2048

local failed_over, embargoed = check_server(embargo, ARGV[12] == '1')

local turns = {}

-- `h` holds what is known of the host: next allowed, two delays, that of robots.txt, and whether a job has crashed.
local function hand_out(host, since, token, over, h, due)
  local crashes = {}
  if h[5] then
    for at = 1, #due, 2 do crashes[#crashes + 1] = number(call('HGET', P .. 'x:' .. host, due[at])) end
  end
  local delay = math.max(number(h[2]), number(h[3]))
  turns[#turns + 1] = {host, since, token, over, number(h[1]), delay, number(h[4]), due, crashes}
end

-- What answers that never arrived handed out is handed out again, as it was.
local function hand_out_again(host)
  local h = call('HMGET', P .. 'h:' .. host, 'na', 'dl', 'ld', 'rd', 'x', 'fl', 'cl', 'tok')
  if number(h[7]) <= arrived then return end
  local due = {}
  for _, job in ipairs(select(2, in_turn(h[6]))) do
    local score = call('ZSCORE', P .. 'j:' .. host, job)
    if score then
      due[#due + 1] = job
      due[#due + 1] = score
    end
  end
  call('HSET', P .. 'h:' .. host, 'lease', digits(now + lease))
  call('ZADD', DUE, digits(now + lease), host)
  hand_out(host, now, h[8], now + lease, h, due)
end

if arrived then
  local held = call('HGETALL', OWN)
  for at = 1, #held, 2 do
    if held[at + 1] == node then hand_out_again(held[at]) end
  end
end

-- What is the node's already is no new claim; nothing else is handed out yet.
if now < embargoed then return {now, digits(embargoed), turns} end

-- Clients of a host looked at in one turn, at most: those whose jobs have waited for longest.
local CLIENTS = 1024

-- The due jobs of all clients in the order in which they are to be done, as fairness.rs has it: job, due ...
local function shared_out(host, clock)
  local clients = call('ZRANGEBYSCORE', P .. 'a:' .. host, '-inf', due_by, 'WITHSCORES', 'LIMIT', 0, CLIENTS)
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
    local due = shared_out(host, number(clock))
    -- A node of an earlier build, beside us, knows nothing of clients: what it planned is in no queue of theirs.
    if #due > 0 then return due end
  end
  return call('ZRANGEBYSCORE', P .. 'j:' .. host, '-inf', due_by, 'WITHSCORES', 'LIMIT', 0, jobs)
end

-- Looks at a host. Returns 1 where it was handed out, 0 where it was put aside, nothing where it stays where it is.
local function visit(host, since)
  local h = call('HMGET', P .. 'h:' .. host, 'na', 'dl', 'ld', 'rd', 'x', 'tok', 'own', 'bu', 'sh', 'vt')
  if is_held(h[7]) then
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
      -- What it was owed may have been lost with the last writes of the old server.
      rested = math.max(number(h[1]), rested)
      call('HSET', P .. 'h:' .. host, 'na', digits(rested))
      set_free(host, rested, number(h[8]))
      return 0
    end
  end
  local list = {'2' .. due[1]}
  for at = 3, #due, 2 do list[#list + 1] = '1' .. due[at] end
  local token, over = take(host, node, lease, h[6], table.concat(list, ' '), claim)
  hand_out(host, since, token, over, h, due)
  return 1
end

-- The first hosts with one more: where all of them were handed out, that one says when to look again.
local looked, passed, beyond, is_over = 0, 0, nil, false
while #turns < hosts and not is_over and looked < MOST do
  local page = call('ZRANGE', DUE, passed, passed + hosts - #turns, 'WITHSCORES')
  local at, all = 1, passed == 0
  while #turns < hosts and page[at] and tonumber(page[at + 1]) <= now do
    local done = visit(page[at], tonumber(page[at + 1]))
    if not done then passed = passed + 1 end
    all = all and done == 1
    at = at + 2
  end
  looked = looked + (at - 1) / 2
  beyond, is_over = all and (page[at + 1] or ''), at == 1
end

if not beyond then
  beyond = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')[2] or ''
elseif #turns > 0 then
  beyond = math.min(tonumber(beyond) or now + lease, now + lease)
end
return {now, beyond == '' and '' or digits(tonumber(beyond)), turns}
