-- Makes jobs known. ARGV: 1 where new hosts rest, then for each: host, job, due, delay, delay of
-- robots.txt for a host that is not known. A host that is new where nothing has been planned
-- yet may have been asked a moment ago, by whoever knew it before: it rests first, each for another while.
local blank = ARGV[3] == 's' and ARGV[4] == '1' and call('HEXISTS', CTL, 'planned') == 0
for at = 5, #ARGV, 5 do
  local host, job, due, delay = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]) + shift, ARGV[at + 3]
  local h, j, d = P .. 'h:' .. host, P .. 'j:' .. host, P .. 'd:' .. host
  local was = call('HMGET', h, 'dd', 'dl', 'fl')
  if call('EXISTS', h) == 0 then
    local robots = tonumber(ARGV[at + 4])
    if robots > 0 then call('HSET', h, 'rd', digits(robots)) end
    local rest = math.max(tonumber(delay), robots)
    if blank then call('HSET', h, 'na', digits(now + rest + math.random(0, tonumber(delay)))) end
  end
  local known = call('ZSCORE', j, job)
  if not known or due < tonumber(known) then call('ZADD', j, due, job) end
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
