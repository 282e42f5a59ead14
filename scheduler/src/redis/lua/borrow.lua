-- Takes one host without its jobs. ARGV: node, length of the lease, host, delay of the borrower, length of the
-- embargo.
-- Returns: now, 1, token, lease end, next allowed, delay, robots delay; or now, 0, when to ask again.
local node, lease, host, delay = ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7]
local h = P .. 'h:' .. host
local held = call('HMGET', h, 'own', 'lease')
if is_held(held[1]) and number(held[2]) <= now then expire(host, true) end
local failed_over, embargoed = check_server(tonumber(ARGV[8]), true)
if now < embargoed then return {now, 0, embargoed} end
if call('EXISTS', h) == 0 then
  local rested = 0
  if ARGV[3] == 's' and call('HEXISTS', CTL, 'planned') == 0 then rested = now + tonumber(delay) end
  call('HSET', h, 'na', digits(rested))
end
local was = call('HMGET', h, 'tok', 'na', 'dl', 'rd', 'bu', 'lease', 'own')
if number(was[5]) > now then return {now, 0, was[5]} end
if is_held(was[7]) then return {now, 0, was[6]} end
call('HSET', h, 'ld', delay)
local longest = math.max(number(was[3]), tonumber(delay))
local rested = number(was[2])
if failed_over > 0 then rested = math.max(rested, failed_over + math.max(longest, number(was[4]))) end
local token, over = take(host, node, lease, was[1], '', '0')
return {now, 1, token, over, digits(rested), longest, number(was[4])}
