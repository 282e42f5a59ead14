-- Removes jobs. ARGV: for each: host, job.
for at = 4, #ARGV, 2 do
  local host, job = ARGV[at], ARGV[at + 1]
  local states, order = parse_turn(call('HGET', P .. 'h:' .. host, 'fl'))
  if states[job] then
    states[job] = nil
    write_turn(host, states, order)
  end
  if call('ZSCORE', P .. 'j:' .. host, job) then
    remove_job(host, job)
    set_ready(host)
  end
end
return now
