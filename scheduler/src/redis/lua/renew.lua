-- Makes leases last. ARGV: node, then for each: host, token, until. Returns 1, or 0 where it is over.
local node, done = ARGV[4], {}
for at = 5, #ARGV, 3 do
  local host, over = ARGV[at], digits(tonumber(ARGV[at + 2]) + shift)
  local was = call('HMGET', P .. 'h:' .. host, 'tok', 'own')
  if holds(host, ARGV[at + 1], node, was[1], was[2]) then
    call('HSET', P .. 'h:' .. host, 'lease', over)
    call('ZADD', DUE, over, host)
    done[#done + 1] = 1
  else
    done[#done + 1] = 0
  end
end
return done
