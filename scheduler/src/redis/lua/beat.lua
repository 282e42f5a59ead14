-- A node says that it is there. ARGV: its name with when it began, what it says, length of the silence after
-- which a node is gone. Returns the order for it and the names of the nodes that are there and work.
local node, said, silence = ARGV[4], ARGV[5], tonumber(ARGV[6])
-- Long gone: nobody asks after it any more.
local FORGOTTEN = 3600000
local NODES, ORDERS = P .. 'nodes', P .. 'orders'
if said == '' then call('HDEL', NODES, node) else call('HSET', NODES, node, digits(now) .. ' ' .. said) end
local function name_of(id) return string.match(id, '^(.*)~') or id end
local working, all = {}, call('HGETALL', NODES)
for at = 1, #all, 2 do
  local age = now - tonumber(string.match(all[at + 1], '^%d+'))
  if age > FORGOTTEN then call('HDEL', NODES, all[at])
  elseif age <= silence and call('HEXISTS', ORDERS, name_of(all[at])) == 0 then working[#working + 1] = name_of(all[at]) end
end
return {call('HGET', ORDERS, name_of(node)) or '', working}
