-- Returns now, and when the shard has something ('' where it has nothing).
local first = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
return {now, first[2] and digits(tonumber(first[2])) or ''}
