-- Makes jobs known. ARGV: host, job, due, delay, for each. A host that is new where nothing has been planned
-- yet may have been asked a moment ago, by whoever knew it before: it rests first, each for another while.
local blank = ARGV[3] == 's' and call('HEXISTS', CTL, 'planned') == 0
for at = 4, #ARGV, 4 do
  local host, job, due, delay = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]) + shift, ARGV[at + 3]
  local h, j, d = P .. 'h:' .. host, P .. 'j:' .. host, P .. 'd:' .. host
  local was = call('HMGET', h, 'dd', 'dl', 'fl')
  if blank and call('EXISTS', h) == 0 then
    call('HSET', h, 'na', digits(now + tonumber(delay) + math.random(0, tonumber(delay))))
  end
  local known = call('ZSCORE', j, job)
  if not known or due < tonumber(known) then call('ZADD', j, due, job) end
  if was[3] then
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
