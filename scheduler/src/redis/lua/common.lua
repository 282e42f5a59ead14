-- What all scripts share. Keys of a shard begin with the same {tag}, so they are on one node of a cluster:
--   due     zset  host -> when to look at it: from when on it may be handed out, or the end of its lease
--   own     hash  host -> node, of hosts that are held; the host's own keys say it as well
--   ctl     hash  run: the server that these keys were last used on, fo: when that changed, emb: no claims
--                 until then, planned: the version of the declared objects that everything was planned of
--   h:HOST  hash  tok: highest token, own: who holds it ('' nobody), lease: until when, fl: jobs in the turn,
--                 cl: number of the claim that handed it out, na: next allowed, bu br: blocked until and why,
--                 dl: longest delay of its jobs, dd: the usual delay, ld: delay of a borrower, rd: delay of
--                 robots.txt, x: '1' where a job of it has crashed
--   j:HOST  zset  job -> due        d:HOST  hash  job -> delay, where it is not the usual one
--   x:HOST  hash  job -> crashes
-- Where clients have jobs of their own (h:HOST says sh: '1', and vt: the host's clock of fair queueing):
--   q:HOST CLIENT  zset  job -> due, again    c:HOST  hash  job -> client, where it has one
--   a:HOST  zset  client -> due time of its first job    w:HOST  hash  client -> weight
--   g:HOST  hash  client -> what it was given so far
-- Times are milliseconds since 1970 of this server's clock.
-- ARGV: prefix of the keys, the caller's time, and 's' where our clock counts or 't' where the caller's does.
local call = redis.call
local P, told = ARGV[1], tonumber(ARGV[2])
local now = told
if ARGV[3] == 's' then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
-- From the caller's clock to ours.
local shift = now - told
local DUE, OWN, CTL = P .. 'due', P .. 'own', P .. 'ctl'

local function number(text) return tonumber(text or '0') or 0 end
-- Of a whole number: what Lua and the server make of one by themselves goes through floating point, slowly.
local function digits(value) return string.format('%d', value) end

local function is_held(owner) return owner and owner ~= '' end

-- Notes from when on a host may be handed out that nobody holds, that has rested and is not blocked.
local function set_free(host, next_allowed, blocked_until)
  local head = call('ZRANGE', P .. 'j:' .. host, 0, 0, 'WITHSCORES')
  if head[2] then call('ZADD', DUE, digits(math.max(tonumber(head[2]), next_allowed, blocked_until)), host)
  else call('ZREM', DUE, host) end
end

-- The same, where it is not known who holds it.
local function set_ready(host)
  local h = call('HMGET', P .. 'h:' .. host, 'own', 'na', 'bu')
  if not is_held(h[1]) then set_free(host, number(h[2]), number(h[3])) end
end

-- Works out the longest delay of a host's jobs anew.
local function set_delay(host)
  local h, odd = P .. 'h:' .. host, call('HVALS', P .. 'd:' .. host)
  local jobs = call('ZCARD', P .. 'j:' .. host)
  local longest = 0
  if jobs > #odd then longest = number(call('HGET', h, 'dd')) end
  for _, delay in ipairs(odd) do longest = math.max(longest, tonumber(delay)) end
  call('HSET', h, 'dl', digits(longest))
  if jobs == 0 then call('HDEL', h, 'dd') end
end

-- The jobs of a turn, `2job` under way and `1job` waiting, in their order.
local function in_turn(list)
  local place, order = {}, {}
  for at, job in string.gmatch(list or '', '(%d)(%S+)') do
    place[job] = at
    order[#order + 1] = job
  end
  return place, order
end

local function write_turn(host, place, order)
  local list = {}
  for _, job in ipairs(order) do
    if place[job] then list[#list + 1] = place[job] .. job end
  end
  call('HSET', P .. 'h:' .. host, 'fl', table.concat(list, ' '))
end

-- What an exchange costs at weight 1, as in fairness.rs.
local function cost(weight) return math.floor(1000000 / math.max(number(weight), 1)) end

local function count_crash(host, job)
  call('HINCRBY', P .. 'x:' .. host, job, 1)
  call('HSET', P .. 'h:' .. host, 'x', '1')
end

local function queue(host, client) return P .. 'q:' .. host .. ' ' .. client end

local function client_of(host, job) return call('HGET', P .. 'c:' .. host, job) or '' end

-- Notes when the first job of a client is due.
local function set_head(host, client)
  local head = call('ZRANGE', queue(host, client), 0, 0, 'WITHSCORES')
  if head[2] then call('ZADD', P .. 'a:' .. host, head[2], client)
  else call('ZREM', P .. 'a:' .. host, client) end
end

local function take_out(host, job, client)
  call('ZREM', queue(host, client), job)
  set_head(host, client)
end

local function forget(host, job)
  if call('HEXISTS', P .. 'h:' .. host, 'sh') == 1 then
    take_out(host, job, client_of(host, job))
    call('HDEL', P .. 'c:' .. host, job)
  end
  call('ZREM', P .. 'j:' .. host, job)
  call('HDEL', P .. 'x:' .. host, job)
  call('HDEL', P .. 'd:' .. host, job)
  set_delay(host)
end

-- Another server than before, or one that lost everything, may not know every lease: who holds one has until
-- the end of the embargo to say so. Returns when that happened last, and until when nothing is handed out.
local function check_server(embargo, is_asked)
  if ARGV[3] ~= 's' then return 0, 0 end
  local ctl = call('HMGET', CTL, 'run', 'fo', 'emb')
  if ctl[1] and not is_asked then return number(ctl[2]), number(ctl[3]) end
  local run = string.match(call('INFO', 'server'), 'run_id:(%x+)')
  if ctl[1] == run then return number(ctl[2]), number(ctl[3]) end
  local failed_over = embargo > 0 and now or 0
  call('HSET', CTL, 'run', run, 'fo', digits(failed_over), 'emb', digits(now + embargo))
  return failed_over, now + embargo
end

-- Takes a host from its owner: it rests for one delay.
local function expire(host, crashed)
  local h = P .. 'h:' .. host
  local was = call('HMGET', h, 'na', 'dl', 'ld', 'rd', 'fl', 'bu')
  if crashed then
    for at, job in string.gmatch(was[5] or '', '(%d)(%S+)') do
      if at == '2' and call('ZSCORE', P .. 'j:' .. host, job) then count_crash(host, job) end
    end
  end
  local rested = now + math.max(number(was[2]), number(was[3]), number(was[4]))
  rested = math.max(number(was[1]), rested)
  call('HDEL', OWN, host)
  call('HSET', h, 'own', '', 'lease', '', 'fl', '', 'na', digits(rested))
  set_free(host, rested, number(was[6]))
end

-- Gives a host to a node. Returns token and end of the lease.
local function take(host, node, lease, last, list, claim)
  -- As a hybrid clock: over a loss of writes, or of everything, tokens still rise.
  local token, over = digits(math.max(number(last) + 1, now)), digits(now + lease)
  call('HSET', P .. 'h:' .. host, 'tok', token, 'own', node, 'lease', over, 'fl', list, 'cl', claim)
  call('HSET', OWN, host, node)
  call('ZADD', DUE, over, host)
  return token, now + lease
end

-- Whether nothing has been handed out since the server was found to be another one.
local function is_embargoed()
  if ARGV[3] ~= 's' then return false end
  local ctl = call('HMGET', CTL, 'run', 'emb')
  local run = string.match(call('INFO', 'server'), 'run_id:(%x+)')
  return ctl[1] ~= run or now < number(ctl[2])
end

-- Whether a lease holds. One whose claim was lost in a failover is taken up again: nobody has the host, no token
-- as high as this was ever given out here, and nobody can have had the host meanwhile.
local function holds(host, token, node, last, owner)
  if is_held(owner) then return last == token end
  if number(last) >= tonumber(token) or not is_embargoed() then return false end
  -- It runs out at once unless it is renewed: who dies meanwhile leaves no host behind that nobody looks at.
  -- Whose claim it was before says nothing of this one.
  call('HSET', P .. 'h:' .. host, 'tok', token, 'own', node, 'lease', digits(now), 'cl', '0')
  call('HSET', OWN, host, node)
  call('ZADD', DUE, digits(now), host)
  return true
end
