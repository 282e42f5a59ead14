-- Blocks a host for all nodes. ARGV: host, end of the block, reason.
call('HSET', P .. 'h:' .. ARGV[4], 'bu', digits(tonumber(ARGV[5]) + shift), 'br', ARGV[6])
set_ready(ARGV[4])
return now
