-- How many hosts are in which state. Returns now, waiting, ready, leased, and since when the first is ready.
-- A held host's time is the end of its lease: one that ran out is ready for its next owner.
local all, over = call('ZCARD', DUE), call('ZCOUNT', DUE, '-inf', now)
local leased = call('HLEN', OWN)
local first = call('ZRANGEBYSCORE', DUE, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1)
return {now, math.max(all - over - leased, 0), over, leased, first[2] and digits(tonumber(first[2])) or ''}
