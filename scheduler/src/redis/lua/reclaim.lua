-- Lets go of every lease of a node. ARGV: node, 1 where it crashed.
local held = call('HGETALL', OWN)
for at = 1, #held, 2 do
  if held[at + 1] == ARGV[4] then expire(held[at], ARGV[5] == '1') end
end
return now
