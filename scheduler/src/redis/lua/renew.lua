-- Extends leases. ARGV: node, then for each: host, token, new end. Returns for each 1, or 0 if it is no longer valid.
local node, results = ARGV[4], {}
for at = 5, #ARGV, 3 do
  local host, lease_end = ARGV[at], digits(tonumber(ARGV[at + 2]) + shift)
  local fields = call('HMGET', P .. 'h:' .. host, 'tok', 'own')
  if accept_lease(host, ARGV[at + 1], node, fields[1], fields[2]) then
    call('HSET', P .. 'h:' .. host, 'lease', lease_end)
    call('ZADD', DUE, lease_end, host)
    results[#results + 1] = 1
  else
    results[#results + 1] = 0
  end
end
return results
