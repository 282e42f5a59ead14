-- Makes jobs known. ARGV: 1 where new hosts rest, the weight of what is everybody's, then for each: host, job, due,
-- delay, delay of robots.txt for a host that is not known, client ('' everybody), its weight. A host that is new
-- where nothing has been planned yet may have been asked a moment ago, by whoever knew it before: it rests first,
-- each for another while.
local blank = ARGV[3] == 's' and ARGV[4] == '1' and call('HEXISTS', CTL, 'planned') == 0

-- A host is shared out once a client has a job of its own there.
local function share_out(host)
  call('HSET', P .. 'h:' .. host, 'sh', '1')
  call('HSET', P .. 'w:' .. host, '', ARGV[5])
  call('ZUNIONSTORE', queue(host, ''), 1, P .. 'j:' .. host)
  set_head(host, '')
end

local function note_client(host, job, known, client, weight)
  local before = client_of(host, job)
  if known and before ~= client then take_out(host, job, before) end
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
  local was = call('HMGET', h, 'dd', 'dl', 'fl', 'sh')
  if call('EXISTS', h) == 0 then
    local robots = tonumber(ARGV[at + 4])
    if robots > 0 then call('HSET', h, 'rd', digits(robots)) end
    local rest = math.max(tonumber(delay), robots)
    if blank then call('HSET', h, 'na', digits(now + rest + math.random(0, tonumber(delay)))) end
  end
  if client ~= '' and not was[4] then share_out(host) end
  local known = call('ZSCORE', j, job)
  if not known or due < tonumber(known) then call('ZADD', j, due, job) end
  if was[4] or client ~= '' then note_client(host, job, known, client, weight) end
  if was[3] and was[3] ~= '' then
    local place, order = in_turn(was[3])
    if place[job] then
      place[job] = nil
      write_turn(host, place, order)
    end
  end
  if not was[1] then call('HSET', h, 'dd', delay, 'dl', delay)
  elseif was[1] ~= delay then
    call('HSET', d, job, delay)
    set_delay(host)
  elseif call('EXISTS', d) == 1 then
    call('HDEL', d, job)
    set_delay(host)
  elseif was[2] ~= delay then call('HSET', h, 'dl', delay) end
  set_ready(host)
end
return now
