-- Adds jobs. ARGV: 1 if new hosts rest, the weight of the common jobs, then for each: host, job, due, delay, delay of
-- robots.txt for a new host, client ('' for a common job), weight of the client. A host that is new to a schedule
-- that has not been planned yet may have been requested a moment ago under the lost schedule: it rests first, for its
-- delay and a random part of another one.
local is_rebuild = ARGV[3] == 's' and ARGV[4] == '1' and call('HEXISTS', CTL, 'planned') == 0

-- Starts to share a host, once a client has a job of its own there.
local function share_host(host)
  call('HSET', P .. 'h:' .. host, 'sh', '1')
  call('HSET', P .. 'w:' .. host, '', ARGV[5])
  call('ZUNIONSTORE', queue(host, ''), 1, P .. 'j:' .. host)
  set_head(host, '')
end

local function set_client(host, job, is_existing, client, weight)
  local previous = client_of(host, job)
  if is_existing and previous ~= client then dequeue(host, job, previous) end
  if client == '' then call('HDEL', P .. 'c:' .. host, job)
  else call('HSET', P .. 'c:' .. host, job, client) end
  call('HSET', P .. 'w:' .. host, client, weight)
  call('ZADD', queue(host, client), call('ZSCORE', P .. 'j:' .. host, job), job)
  set_head(host, client)
end

for at = 6, #ARGV, 7 do
  local host, job, due, delay = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]) + shift, ARGV[at + 3]
  local h, j, d = P .. 'h:' .. host, P .. 'j:' .. host, P .. 'd:' .. host
  local client, weight = ARGV[at + 5], ARGV[at + 6]
  local fields = call('HMGET', h, 'dd', 'dl', 'fl', 'sh')
  if call('EXISTS', h) == 0 then
    local robots = tonumber(ARGV[at + 4])
    if robots > 0 then call('HSET', h, 'rd', digits(robots)) end
    local rest = math.max(tonumber(delay), robots)
    if is_rebuild then call('HSET', h, 'na', digits(now + rest + math.random(0, tonumber(delay)))) end
  end
  if client ~= '' and not fields[4] then share_host(host) end
  local existing_due = call('ZSCORE', j, job)
  if not existing_due or due < tonumber(existing_due) then call('ZADD', j, due, job) end
  if fields[4] or client ~= '' then set_client(host, job, existing_due, client, weight) end
  if fields[3] and fields[3] ~= '' then
    local states, order = parse_turn(fields[3])
    if states[job] then
      states[job] = nil
      write_turn(host, states, order)
    end
  end
  if not fields[1] then call('HSET', h, 'dd', delay, 'dl', delay)
  elseif fields[1] ~= delay then
    call('HSET', d, job, delay)
    set_delay(host)
  elseif call('EXISTS', d) == 1 then
    call('HDEL', d, job)
    set_delay(host)
  elseif fields[2] ~= delay then call('HSET', h, 'dl', delay) end
  set_ready(host)
end
return now
