-- Returns now, when the shard has something ('' where it has nothing), and whether what is declared has been
-- planned here.
local first = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
return {now, first[2] and digits(tonumber(first[2])) or '', call('HEXISTS', CTL, 'planned')}
