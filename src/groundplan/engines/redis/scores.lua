-- What changes which versions there are: each call is one atomic step.
--
-- Keys, all below the prefix KEYS[1]:
--   live           the ticket of the live version
--   tickets        a hash: name of a complete version -> its ticket, `ATTEMPT:BUCKETS.FORM:NAME`
--   records        a hash: name of a complete version -> its record, JSON
--   loading        a hash: attempt -> its ticket: what is being loaded, or was cut off
--   going          a hash: attempt -> its ticket: what has to be freed
--   attempts       the number of the last attempt
--   busy:ATTEMPT   there while somebody loads it
--   d:ATTEMPT:N    a string, one of BUCKETS: some scores, packed as FORM says
--   lock           who publishes, while somebody does
--   turns          the number of the last who did
-- A ticket is never used twice, so what is read under the live one is of the live version.

local P = KEYS[1]
local act = ARGV[1]

local function attempt_of(ticket)
  return string.match(ticket, '^%d+')
end

local function name_of(ticket)
  return string.match(ticket, '^[^:]*:[^:]*:(.*)$')
end

-- Put it among what has to be freed: nobody can make it complete any more.
local function give_up(ticket)
  redis.call('HDEL', P .. 'loading', attempt_of(ticket))
  redis.call('DEL', P .. 'busy:' .. attempt_of(ticket))
  redis.call('HSET', P .. 'going', attempt_of(ticket), ticket)
end

-- Whether the publisher that asks is still the one that holds the lock.
local function fenced(token)
  return token ~= '' and redis.call('GET', P .. 'lock') ~= token
end

if act == 'begin' then -- buckets, form, name, milliseconds until it counts as cut off
  local attempt = redis.call('INCR', P .. 'attempts')
  local ticket = attempt .. ':' .. ARGV[2] .. '.' .. ARGV[3] .. ':' .. ARGV[4]
  redis.call('SET', P .. 'busy:' .. attempt, '1', 'PX', ARGV[5])
  redis.call('HSET', P .. 'loading', attempt, ticket)
  return ticket
end

if act == 'complete' then -- ticket, name, record
  local ticket, name = ARGV[2], ARGV[3]
  local old = redis.call('HGET', P .. 'tickets', name)
  if old == ticket then -- asked twice
    return 1
  end
  if redis.call('HDEL', P .. 'loading', attempt_of(ticket)) == 0 then
    return 0
  end
  redis.call('DEL', P .. 'busy:' .. attempt_of(ticket))
  if old then
    give_up(old)
    if redis.call('GET', P .. 'live') == old then
      redis.call('SET', P .. 'live', ticket)
    end
  end
  redis.call('HSET', P .. 'tickets', name, ticket)
  redis.call('HSET', P .. 'records', name, ARGV[4])
  return 1
end

if act == 'abandon' then -- ticket, name
  if redis.call('HGET', P .. 'tickets', ARGV[3]) == ARGV[2] then
    return 0
  end
  give_up(ARGV[2])
  return 1
end

if act == 'tidy' then -- name: what was cut off is to be freed, and every load of this name
  local found = redis.call('HGETALL', P .. 'loading')
  for at = 1, #found, 2 do
    local mine = name_of(found[at + 1]) == ARGV[2]
    if mine or redis.call('EXISTS', P .. 'busy:' .. found[at]) == 0 then
      give_up(found[at + 1])
    end
  end
  return redis.call('HVALS', P .. 'going')
end

if act == 'point' then -- name, token of the lock, form
  if fenced(ARGV[3]) then
    return -1
  end
  local ticket = redis.call('HGET', P .. 'tickets', ARGV[2])
  if not ticket then
    return 0
  end
  if string.match(ticket, '^%d+:%d+%.?([^:]*):') ~= ARGV[4] then
    return -2
  end
  redis.call('SET', P .. 'live', ticket)
  return 1
end

if act == 'drop' then -- name
  local ticket = redis.call('HGET', P .. 'tickets', ARGV[2])
  if not ticket then
    return 0
  end
  if redis.call('GET', P .. 'live') == ticket then
    return -1
  end
  redis.call('HDEL', P .. 'tickets', ARGV[2])
  redis.call('HDEL', P .. 'records', ARGV[2])
  give_up(ticket)
  return 1
end

if act == 'live' then
  local ticket = redis.call('GET', P .. 'live')
  local record = ticket and redis.call('HGET', P .. 'records', name_of(ticket))
  return record and { ticket, record } or {}
end

if act == 'lock' then -- who, milliseconds
  local held = redis.call('GET', P .. 'lock')
  if held then
    return string.match(held, '^%d+ (.*)$') == ARGV[2] and held or '' -- its own: asked twice
  end
  local token = redis.call('INCR', P .. 'turns') .. ' ' .. ARGV[2]
  redis.call('SET', P .. 'lock', token, 'PX', ARGV[3])
  return token
end

if act == 'renew' then -- token, milliseconds
  if fenced(ARGV[2]) then
    return 0
  end
  return redis.call('PEXPIRE', P .. 'lock', ARGV[3])
end

if act == 'unlock' then -- token
  if fenced(ARGV[2]) then
    return 0
  end
  return redis.call('DEL', P .. 'lock')
end

return redis.error_reply('unknown: ' .. act)
