-- Hands out hosts whose time has come. ARGV: node, length of the lease, hosts at most, jobs of each at most,
-- latest due time, number of this claim, number of the last one whose answer arrived ('' where that is the one
-- before), length of the embargo, 1 where the server is to be looked at.
-- Returns: now, when to look again ('' where there is nothing), and turns: host, eligible since, token, lease end,
-- next allowed, delay, robots delay, {job, due, crashes ...}.
local node, lease, hosts, jobs = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local due_by = math.min(tonumber(ARGV[8]) + shift, now)
local claim, arrived, embargo = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
-- Hosts looked at in one call, at most: those that a single pass leaves alone stay at the front.
local MOST = 2048

local function head()
  local first = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
  return first[2] and digits(tonumber(first[2])) or ''
end

local failed_over, embargoed = check_server(embargo, ARGV[12] == '1')

local turns, record = {}, {claim}
local function hand_out(host, since, token, over, rest, due)
  turns[#turns + 1] = {host, since, token, over, rest[1], rest[2], rest[3], due}
  record[#record + 1] = host
  record[#record + 1] = token
end

local function crashes_of(host, due)
  for at = 1, #due, 3 do due[at + 2] = number(call('HGET', P .. 'x:' .. host, due[at])) end
end

-- An answer that never arrived: what it handed out is handed out again, as it was.
local lost = arrived and call('GET', P .. 'r:' .. node)
if lost then
  lost = cjson.decode(lost)
  if lost[1] > arrived then
    for at = 2, #lost, 2 do
      local host, token = lost[at], lost[at + 1]
      local h = call('HMGET', P .. 'h:' .. host, 'tok', 'na', 'dl', 'ld', 'rd', 'fl', 'own')
      if h[1] == token and h[7] == node then
        local due = {}
        for _, job in ipairs(select(2, in_turn(h[6]))) do
          local score = call('ZSCORE', P .. 'j:' .. host, job)
          if score then
            due[#due + 1] = job
            due[#due + 1] = tonumber(score)
            due[#due + 1] = 0
          end
        end
        crashes_of(host, due)
        call('HSET', P .. 'h:' .. host, 'lease', digits(now + lease))
        call('ZADD', DUE, digits(now + lease), host)
        local rest = {number(h[2]), math.max(number(h[3]), number(h[4])), number(h[5])}
        hand_out(host, now, token, now + lease, rest, due)
      end
    end
  end
end

local function answer(look_again)
  if #turns > 0 then call('SET', P .. 'r:' .. node, cjson.encode(record), 'PX', lease) end
  return {now, look_again, turns}
end

-- What is the node's already is no new claim; nothing else is handed out yet.
if now < embargoed then return answer(digits(embargoed)) end

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
  if is_shared then return shared_out(host, number(clock)) end
  return call('ZRANGEBYSCORE', P .. 'j:' .. host, '-inf', due_by, 'WITHSCORES', 'LIMIT', 0, jobs)
end

local function visit(host, since)
  local h = call('HMGET', P .. 'h:' .. host, 'tok', 'na', 'dl', 'ld', 'rd', 'own', 'x', 'bu', 'sh', 'vt')
  if is_held(h[6]) then
    expire(host, true)
    return true
  end
  local due = due_jobs(host, h[9], h[10])
  if #due == 0 then
    set_free(host, number(h[2]), number(h[8]))
    return since <= due_by
  end
  local delay, robots = math.max(number(h[3]), number(h[4])), number(h[5])
  local rested = failed_over + math.max(delay, robots)
  if failed_over > 0 and now < rested then
    -- What it was owed may have been lost with the last writes of the old server.
    rested = math.max(number(h[2]), rested)
    call('HSET', P .. 'h:' .. host, 'na', digits(rested))
    set_free(host, rested, number(h[8]))
    return true
  end
  local list, with_crashes = {}, {}
  for at = 1, #due, 2 do
    list[#list + 1] = (at == 1 and '2' or '1') .. due[at]
    with_crashes[#with_crashes + 1] = due[at]
    with_crashes[#with_crashes + 1] = tonumber(due[at + 1])
    with_crashes[#with_crashes + 1] = 0
  end
  if h[7] then crashes_of(host, with_crashes) end
  local token, over = take(host, node, lease, h[1], table.concat(list, ' '))
  hand_out(host, since, token, over, {number(h[2]), delay, robots}, with_crashes)
  return true
end

local looked, passed = 0, 0
while #turns < hosts and looked < MOST do
  local ready = call('ZRANGEBYSCORE', DUE, '-inf', now, 'WITHSCORES', 'LIMIT', passed, hosts - #turns)
  if #ready == 0 then break end
  for at = 1, #ready, 2 do
    looked = looked + 1
    if not visit(ready[at], tonumber(ready[at + 1])) then passed = passed + 1 end
  end
end
return answer(head())
