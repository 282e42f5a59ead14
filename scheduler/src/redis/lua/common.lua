-- Definitions that all scripts share. The keys of a shard begin with the same {tag}, so they are on one node of a
-- cluster:
--   due     zset  host -> time to examine it: the time from which it can be leased, or the end of its lease
--   own     hash  host -> node, for leased hosts; the host's own key repeats it
--   ctl     hash  run: run_id of the server that last used these keys, fo: time of the last failover, emb: end of
--                 the embargo on claims, planned: version of the declared objects that everything was planned from
--   h:HOST  hash  tok: highest token, own: node that leases it ('' none), lease: end of the lease, fl: jobs of the
--                 turn, cl: number of the claim that leased it, na: next allowed, bu br: end of the block and
--                 reason, dl: longest delay of its jobs, dd: usual delay, ld: delay of a borrower, rd: delay of
--                 robots.txt, x: '1' if one of its jobs has crashed
--   j:HOST  zset  job -> due        d:HOST  hash  job -> delay, if it is not the usual one
--   x:HOST  hash  job -> crashes
-- Only if clients have jobs of their own there (h:HOST then has sh: '1', and vt: the host's clock of fair queueing):
--   q:HOST CLIENT  zset  job -> due (a copy)    c:HOST  hash  job -> client, if it has one
--   a:HOST  zset  client -> due time of its first job    w:HOST  hash  client -> weight
--   g:HOST  hash  client -> tag: the service it has received
-- Times are milliseconds since 1970 on the clock of this server.
-- ARGV: prefix of the keys, time of the caller, and the clock to use: 's' for the server's, 't' for the caller's.
local call = redis.call
local P, caller_now = ARGV[1], tonumber(ARGV[2])
local now = caller_now
if ARGV[3] == 's' then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
-- The offset from the caller's clock to the server's.
local shift = now - caller_now
local DUE, OWN, CTL = P .. 'due', P .. 'own', P .. 'ctl'

local function number(text) return tonumber(text or '0') or 0 end
-- Formats an integer. The default conversions of Lua and the server go through floating point, which is slow.
local function digits(value) return string.format('%d', value) end

local function is_leased(owner) return owner and owner ~= '' end

-- Stores the time from which a free host can be leased: its first job is due, it has rested and is not blocked.
local function set_free(host, next_allowed, blocked_until)
  local head = call('ZRANGE', P .. 'j:' .. host, 0, 0, 'WITHSCORES')
  if head[2] then call('ZADD', DUE, digits(math.max(tonumber(head[2]), next_allowed, blocked_until)), host)
  else call('ZREM', DUE, host) end
end

-- Does the same unless the host is leased.
local function set_ready(host)
  local h = call('HMGET', P .. 'h:' .. host, 'own', 'na', 'bu')
  if not is_leased(h[1]) then set_free(host, number(h[2]), number(h[3])) end
end

-- Recomputes the longest delay of a host's jobs.
local function set_delay(host)
  local h, unusual = P .. 'h:' .. host, call('HVALS', P .. 'd:' .. host)
  local jobs = call('ZCARD', P .. 'j:' .. host)
  local longest = 0
  if jobs > #unusual then longest = number(call('HGET', h, 'dd')) end
  for _, delay in ipairs(unusual) do longest = math.max(longest, tonumber(delay)) end
  call('HSET', h, 'dl', digits(longest))
  if jobs == 0 then call('HDEL', h, 'dd') end
end

-- Parses the jobs of a turn, `2job` if it is running and `1job` if it is waiting. Returns job -> state, and the jobs
-- in order.
local function parse_turn(list)
  local states, order = {}, {}
  for state, job in string.gmatch(list or '', '(%d)(%S+)') do
    states[job] = state
    order[#order + 1] = job
  end
  return states, order
end

local function write_turn(host, states, order)
  local list = {}
  for _, job in ipairs(order) do
    if states[job] then list[#list + 1] = states[job] .. job end
  end
  call('HSET', P .. 'h:' .. host, 'fl', table.concat(list, ' '))
end

-- The cost of an exchange for a client of this weight, as in fairness.rs.
local function cost(weight) return math.floor(1000000 / math.max(number(weight), 1)) end

local function count_crash(host, job)
  call('HINCRBY', P .. 'x:' .. host, job, 1)
  call('HSET', P .. 'h:' .. host, 'x', '1')
end

local function queue(host, client) return P .. 'q:' .. host .. ' ' .. client end

local function client_of(host, job) return call('HGET', P .. 'c:' .. host, job) or '' end

-- Stores the due time of a client's first job.
local function set_head(host, client)
  local head = call('ZRANGE', queue(host, client), 0, 0, 'WITHSCORES')
  if head[2] then call('ZADD', P .. 'a:' .. host, head[2], client)
  else call('ZREM', P .. 'a:' .. host, client) end
end

local function dequeue(host, job, client)
  call('ZREM', queue(host, client), job)
  set_head(host, client)
end

local function remove_job(host, job)
  if call('HEXISTS', P .. 'h:' .. host, 'sh') == 1 then
    dequeue(host, job, client_of(host, job))
    call('HDEL', P .. 'c:' .. host, job)
  end
  call('ZREM', P .. 'j:' .. host, job)
  call('HDEL', P .. 'x:' .. host, job)
  call('HDEL', P .. 'd:' .. host, job)
  set_delay(host)
end

-- Detects a failover. A server other than the last one, or one that lost its data, may not know every lease:
-- holders have until the end of the embargo to renew theirs. Without `force` the server is checked only if the shard
-- has no record of one. Returns the time of the last failover and the end of the embargo.
local function check_server(embargo, force)
  if ARGV[3] ~= 's' then return 0, 0 end
  local ctl = call('HMGET', CTL, 'run', 'fo', 'emb')
  if ctl[1] and not force then return number(ctl[2]), number(ctl[3]) end
  local run = string.match(call('INFO', 'server'), 'run_id:(%x+)')
  if ctl[1] == run then return number(ctl[2]), number(ctl[3]) end
  local failed_over = embargo > 0 and now or 0
  call('HSET', CTL, 'run', run, 'fo', digits(failed_over), 'emb', digits(now + embargo))
  return failed_over, now + embargo
end

-- Ends the lease of a host, which then rests for one delay.
local function expire(host, crashed)
  local h = P .. 'h:' .. host
  local fields = call('HMGET', h, 'na', 'dl', 'ld', 'rd', 'fl', 'bu')
  if crashed then
    for state, job in string.gmatch(fields[5] or '', '(%d)(%S+)') do
      if state == '2' and call('ZSCORE', P .. 'j:' .. host, job) then count_crash(host, job) end
    end
  end
  local rested = now + math.max(number(fields[2]), number(fields[3]), number(fields[4]))
  rested = math.max(number(fields[1]), rested)
  call('HDEL', OWN, host)
  call('HSET', h, 'own', '', 'lease', '', 'fl', '', 'na', digits(rested))
  set_free(host, rested, number(fields[6]))
end

-- Leases a host to a node. Returns the token and the end of the lease.
local function lease_host(host, node, lease, last, list, claim)
  -- Like a hybrid clock: tokens increase even after a loss of writes or of all data.
  local token, lease_end = digits(math.max(number(last) + 1, now)), digits(now + lease)
  call('HSET', P .. 'h:' .. host, 'tok', token, 'own', node, 'lease', lease_end, 'fl', list, 'cl', claim)
  call('HSET', OWN, host, node)
  call('ZADD', DUE, lease_end, host)
  return token, now + lease
end

-- Returns true if this server has leased no host yet since the failover.
local function is_embargoed()
  if ARGV[3] ~= 's' then return false end
  local ctl = call('HMGET', CTL, 'run', 'emb')
  local run = string.match(call('INFO', 'server'), 'run_id:(%x+)')
  return ctl[1] ~= run or now < number(ctl[2])
end

-- Returns true if a lease is valid. A lease whose claim was lost in a failover is restored if the host is free, this
-- server has issued no token as high as this one, and the embargo has kept other nodes from the host.
local function accept_lease(host, token, node, last, owner)
  if is_leased(owner) then return last == token end
  if number(last) >= tonumber(token) or not is_embargoed() then return false end
  -- The restored lease expires at once unless it is renewed: if its holder dies, the host stays in the due set.
  -- The number of an earlier claim does not apply to this lease.
  call('HSET', P .. 'h:' .. host, 'tok', token, 'own', node, 'lease', digits(now), 'cl', '0')
  call('HSET', OWN, host, node)
  call('ZADD', DUE, digits(now), host)
  return true
end
