-- Releases every lease of a node. ARGV: node, 1 if it crashed.
local leases = call('HGETALL', OWN)
for at = 1, #leases, 2 do
  if leases[at + 1] == ARGV[4] then expire(leases[at], ARGV[5] == '1') end
end
return now
