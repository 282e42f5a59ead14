-- Stores the heartbeat of a node. ARGV: node name with start time, heartbeat ('' removes the node), time in ms
-- without a heartbeat after which a node counts as dead. Returns the operator's order for the node and the names of
-- the live nodes without an order.
local node, beat, silence = ARGV[4], ARGV[5], tonumber(ARGV[6])
-- Milliseconds without a heartbeat after which the entry of a node is removed.
local MAX_AGE = 3600000
local NODES, ORDERS = P .. 'nodes', P .. 'orders'
if beat == '' then call('HDEL', NODES, node) else call('HSET', NODES, node, digits(now) .. ' ' .. beat) end
local function name_of(id) return string.match(id, '^(.*)~') or id end
local working, entries = {}, call('HGETALL', NODES)
for at = 1, #entries, 2 do
  local name = name_of(entries[at])
  local age = now - tonumber(string.match(entries[at + 1], '^%d+'))
  if age > MAX_AGE then call('HDEL', NODES, entries[at])
  elseif age <= silence and call('HEXISTS', ORDERS, name) == 0 then working[#working + 1] = name end
end
return {call('HGET', ORDERS, name_of(node)) or '', working}
