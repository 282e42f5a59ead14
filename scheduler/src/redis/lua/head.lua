-- ARGV: length of the embargo. Returns now, when the shard has something ('' where it has nothing), and when
-- its server was last found to be another one.
local failed_over = check_server(tonumber(ARGV[4]), true)
local first = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
return {now, first[2] and digits(tonumber(first[2])) or '', failed_over}
