-- Leases one host without its jobs. ARGV: node, lease duration, host, delay of the borrower, embargo duration.
-- Returns: now, 1, token, lease end, next allowed, delay, robots delay; or now, 0, time of the next attempt.
local node, lease, host, delay = ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7]
local h = P .. 'h:' .. host
local current = call('HMGET', h, 'own', 'lease')
if is_leased(current[1]) and number(current[2]) <= now then expire(host, true) end
local failed_over, embargoed = check_server(tonumber(ARGV[8]), true)
if now < embargoed then return {now, 0, embargoed} end
if call('EXISTS', h) == 0 then
  local rested = 0
  if ARGV[3] == 's' and call('HEXISTS', CTL, 'planned') == 0 then rested = now + tonumber(delay) end
  call('HSET', h, 'na', digits(rested))
end
local fields = call('HMGET', h, 'tok', 'na', 'dl', 'rd', 'bu', 'lease', 'own')
if number(fields[5]) > now then return {now, 0, fields[5]} end
if is_leased(fields[7]) then return {now, 0, fields[6]} end
call('HSET', h, 'ld', delay)
local longest = math.max(number(fields[3]), tonumber(delay))
local rested = number(fields[2])
if failed_over > 0 then rested = math.max(rested, failed_over + math.max(longest, number(fields[4]))) end
local token, lease_end = lease_host(host, node, lease, fields[1], '', '0')
return {now, 1, token, lease_end, digits(rested), longest, number(fields[4])}
