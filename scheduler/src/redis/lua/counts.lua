-- Counts the hosts in each state. Returns now, waiting, ready, leased, and the time since which the first is ready.
-- The time of a leased host is the end of its lease: an expired one is ready for its next owner.
local all, ready = call('ZCARD', DUE), call('ZCOUNT', DUE, '-inf', now)
local leased = call('HLEN', OWN)
local first = call('ZRANGEBYSCORE', DUE, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1)
return {now, math.max(all - ready - leased, 0), ready, leased, first[2] and digits(tonumber(first[2])) or ''}
