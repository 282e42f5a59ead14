-- ARGV: embargo duration. Returns now, the time of the first entry of the shard ('' if it is empty), and the time of
-- the last failover.
local failed_over = check_server(tonumber(ARGV[4]), true)
local first = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
return {now, first[2] and digits(tonumber(first[2])) or '', failed_over}
