-- Forgets jobs. ARGV: host, job, for each.
for at = 4, #ARGV, 2 do
  local host, job = ARGV[at], ARGV[at + 1]
  local place, order = in_turn(call('HGET', P .. 'h:' .. host, 'fl'))
  if place[job] then
    place[job] = nil
    write_turn(host, place, order)
  end
  if call('ZSCORE', P .. 'j:' .. host, job) then
    forget(host, job)
    set_ready(host)
  end
end
return now
