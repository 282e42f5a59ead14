-- Returns the record of a host. ARGV: host. Returns: now, then, if the host exists: owner, lease end, token, next
-- allowed, delay, blocked until, reason, {job, due, crashes ...}, {client, weight, jobs ...}.
local host = ARGV[4]
local h = call('HMGET', P .. 'h:' .. host, 'lease', 'tok', 'na', 'dl', 'ld', 'rd', 'bu', 'br')
if call('EXISTS', P .. 'h:' .. host) == 0 then return {now} end
local jobs, list = {}, call('ZRANGE', P .. 'j:' .. host, 0, -1, 'WITHSCORES')
for at = 1, #list, 2 do
  jobs[#jobs + 1] = list[at]
  jobs[#jobs + 1] = tonumber(list[at + 1])
  jobs[#jobs + 1] = number(call('HGET', P .. 'x:' .. host, list[at]))
end
local stakes, weights = {}, call('HGETALL', P .. 'w:' .. host)
for at = 1, #weights, 2 do
  local waiting = call('ZCARD', queue(host, weights[at]))
  if waiting > 0 then
    stakes[#stakes + 1] = weights[at]
    stakes[#stakes + 1] = tonumber(weights[at + 1])
    stakes[#stakes + 1] = waiting
  end
end
local delay = math.max(number(h[4]), number(h[5]), number(h[6]))
return {now, call('HGET', OWN, host) or '', number(h[1]), number(h[2]), number(h[3]), delay, number(h[7]), h[8] or '', jobs, stakes}
