-- What the store does inside the server: each call is one atomic step.
--
-- In front of this text stand two tables, HISTORIES and SOURCES, made from the definitions.
--   HISTORIES[n]: width of a record, lateness and reach (us), ttl (s), and keep: 1 for versions,
--     of which the newest beyond the reach still holds; the main source's reach counts for them
--   SOURCES[n]: reach and bucket (us), ttl (s)
-- Keys, all below the prefix KEYS[1]:
--   h<n>:<entity>  a string: the records of one entity, each of the same width, in order of time;
--                  a record begins with the digest of its identifier, 8 bytes, and its time, 8 more
--   i<n>:<bucket>  a hash: identifier -> labels and event, for the events of a stretch of time
--   b<n>           a sorted set: the buckets that there are
--   n              a hash: number of the source -> time of its newest event
--   p<identifier>  a string: labels that came before their event, one character each
--   o              a hash: partition -> next offset
-- A time is below 2^53, so that a Lua number holds it.

local P = KEYS[1]
local at = 1
local function take()
  at = at + 1
  return ARGV[at]
end
local function number()
  return tonumber(take())
end

local function time_of(bytes, position)
  return (struct.unpack('<i8', bytes, position + 8))
end

local function history(h, entity)
  return P .. 'h' .. h .. ':' .. entity
end

-- The time of an entity's newest event, or false; asked of the server once.
local newest_times = {}
local function newest_of(h, entity)
  local key = history(h, entity)
  if newest_times[key] == nil then
    local last = redis.call('GETRANGE', key, -HISTORIES[h].width, -1)
    newest_times[key] = last ~= '' and time_of(last, 1)
  end
  return newest_times[key]
end

-- The record of an event, or false.
local function find(s, id)
  for _, bucket in ipairs(redis.call('ZREVRANGE', P .. 'b' .. s, 0, -1)) do
    local found = redis.call('HGET', P .. 'i' .. s .. ':' .. bucket, id)
    if found then return found end
  end
  return false
end

-- The first position whose time is above a limit, from 0.
local function above(bytes, width, limit)
  local low, high = 0, #bytes / width
  while low < high do
    local middle = math.floor((low + high) / 2)
    if time_of(bytes, middle * width + 1) <= limit then low = middle + 1 else high = middle end
  end
  return low
end

-- Two sequences of records, both in order of time, as one.
local function merged(old, new, width)
  local pieces, start = {}, 0
  for position = 0, #new / width - 1 do
    local record = new:sub(position * width + 1, (position + 1) * width)
    local stop = above(old, width, time_of(record, 1))
    pieces[#pieces + 1] = old:sub(start * width + 1, stop * width)
    pieces[#pieces + 1] = record
    start = stop
  end
  pieces[#pieces + 1] = old:sub(start * width + 1)
  return table.concat(pieces)
end

-- Where a record with the time and digest of this one begins, or false.
local function place(bytes, record, width)
  local wanted, from = record:sub(1, 16), 1
  while true do
    from = bytes:find(wanted, from, true)
    if not from then return false end
    if (from - 1) % width == 0 then return from end
    from = from + 1
  end
end

-- The records that are not there yet: of versions, the identifiers are forgotten before they are.
local function unknown(old, new, width)
  local pieces = {}
  for position = 1, #new, width do
    local record = new:sub(position, position + width - 1)
    if not place(old, record, width) then pieces[#pieces + 1] = record end
  end
  return table.concat(pieces)
end

-- The time of a source's newest event, -1 for none; asked of the server once.
local newest_events = {}
local function newest_event(s)
  newest_events[s] = newest_events[s] or tonumber(redis.call('HGET', P .. 'n', s) or '-1')
  return newest_events[s]
end

-- Whether a moment lies in the hour of an earlier one: then what expires was put off lately.
local function same_hour(earlier, time)
  return earlier and math.floor(earlier / 3.6e9) >= math.floor(time / 3.6e9)
end

-- What no window reaches goes once it is half of what there is, so that an event pays little.
local function trim(key, h, size, newest)
  local width, keep, cutoff = HISTORIES[h].width, HISTORIES[h].keep, newest - HISTORIES[h].reach
  if keep == 1 then cutoff = newest_event(0) - SOURCES[0].reach end
  local middle = math.floor(size / width / 2) * width
  if time_of(redis.call('GETRANGE', key, middle, middle + 15), 1) > cutoff then return end
  local bytes = redis.call('GET', key)
  local first = math.max(0, above(bytes, width, cutoff) - keep)
  redis.call('SET', key, bytes:sub(first * width + 1), 'KEEPTTL')
end

-- Records of one entity, in order of time, each to its place.
local function insert(h, entity, records)
  local key, width, newest = history(h, entity), HISTORIES[h].width, newest_of(h, entity)
  if HISTORIES[h].keep == 1 and newest then
    records = unknown(redis.call('GET', key), records, width)
    if records == '' then return end
  end
  local last, size = time_of(records, #records - width + 1), nil
  if newest and time_of(records, 1) < newest then
    local all = merged(redis.call('GET', key), records, width)
    redis.call('SET', key, all, 'KEEPTTL')
    size = #all
  else
    size = redis.call('APPEND', key, records)
  end
  newest_times[key] = math.max(newest or last, last)
  if #records > width or size / width % 8 == 0 then trim(key, h, size, newest_times[key]) end
  if HISTORIES[h].ttl > 0 and not same_hour(newest, last) then
    redis.call('EXPIRE', key, HISTORIES[h].ttl)
  end
end

-- A record with the time and digest of another takes its place.
local function replace(h, entity, record)
  local key = history(h, entity)
  local bytes = redis.call('GET', key)
  local from = bytes and place(bytes, record, HISTORIES[h].width)
  if from then redis.call('SETRANGE', key, from - 1, record) end
end

-- A new bucket, and no longer those that no window reaches.
local function open_bucket(s, bucket)
  local source, set = SOURCES[s], P .. 'b' .. s
  if redis.call('ZADD', set, bucket, bucket) == 0 then return end
  local past = math.floor((newest_event(s) - source.reach) / source.bucket) - 1
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', set, '-inf', string.format('%.0f', past))) do
    redis.call('UNLINK', P .. 'i' .. s .. ':' .. old)
    redis.call('ZREM', set, old)
  end
end

-- Identifiers and records, in turn, of events in one bucket; the time is that of the newest.
local function remember(s, time, words)
  local size, newest = SOURCES[s].bucket, newest_event(s)
  if time > newest then
    redis.call('HSET', P .. 'n', s, string.format('%.0f', time))
    newest_events[s] = time
  end
  local bucket = math.floor(time / size)
  local key = P .. 'i' .. s .. ':' .. string.format('%.0f', bucket)
  redis.call('HSET', key, unpack(words))
  if newest < 0 or math.floor(newest / size) ~= bucket then
    open_bucket(s, string.format('%.0f', bucket))
  elseif same_hour(newest, time) then
    return
  end
  redis.call('EXPIRE', key, SOURCES[s].ttl)
end

-- join and peek: the histories of an event's entities, and its records added where it is new.
-- Arguments: 1 to record, identifier, time, parked labels that are in the event already, length of
-- the labels, labels and event, number of histories to read, (history, entity) each, number to
-- write, (history, entity, record) each.
local function join()
  local record, id, time, labelled = take() == '1', take(), number(), take()
  local labels, event, answer = number(), take(), { 'known' }
  for n = 1, number() do
    local h, entity = number(), take()
    local key = history(h, entity)
    local bytes = redis.call('GET', key) or ''
    local newest = bytes ~= '' and time_of(bytes, #bytes - HISTORIES[h].width + 1)
    answer[n + 1], newest_times[key] = bytes, newest
    if newest and time < newest - HISTORIES[h].lateness then
      answer.late = { 'late', n, newest }
    end
  end
  local known = find(0, id)
  if known and known:sub(labels + 1) ~= event:sub(labels + 1) then return { 'other', known } end
  if answer.late then return answer.late end
  if known then return answer end
  local newest = newest_event(0)
  if time <= newest - SOURCES[0].reach then return { 'past', 0, newest } end
  if not record then return answer end
  local parked = redis.call('GET', P .. 'p' .. id)
  if parked and parked ~= labelled then return { 'parked', parked } end
  for _ = 1, number() do insert(number(), take(), take()) end
  if parked then redis.call('UNLINK', P .. 'p' .. id) end
  remember(0, time, { id, event })
  answer[1] = 'added'
  return answer
end

-- look: what is known of identifiers and entities.
-- Arguments: number of identifiers, (source, identifier) each, number of entities, (history,
-- entity) each. Gives for each identifier its record and its parked labels, for each entity the
-- time of its newest event, for each source that of its newest; false where there is none.
local function look()
  local events, parked, newest, latest = {}, {}, {}, {}
  for n = 1, number() do
    local s, id = number(), take()
    events[n] = find(s, id)
    parked[n] = s == 0 and redis.call('GET', P .. 'p' .. id)
  end
  for n = 1, number() do
    local h, entity = number(), take()
    newest[n] = newest_of(h, entity)
  end
  for s = 0, #SOURCES do latest[s + 1] = newest_event(s) end
  return { events, parked, newest, latest }
end

-- apply: changes that hold if the identifiers are still as they were seen; 0 where they are not.
-- Arguments: number of identifiers, (source, identifier, record, parked labels) each, '' for
-- none; number of buckets, (source, time of the newest, number of words, identifier and record
-- in turn) each; number of blocks, (history, entity, records) each; number of replacements,
-- (history, entity, record) each; number of parked, (identifier, labels) each, '' to remove;
-- number of offsets, (partition, offset) each.
local function apply()
  for _ = 1, number() do
    local s, id, record, parked = number(), take(), take(), take()
    if (find(s, id) or '') ~= record then return 0 end
    if s == 0 and (redis.call('GET', P .. 'p' .. id) or '') ~= parked then return 0 end
  end
  for _ = 1, number() do
    local s, time, words = number(), number(), {}
    for n = 1, number() do words[n] = take() end
    remember(s, time, words)
  end
  for _ = 1, number() do insert(number(), take(), take()) end
  for _ = 1, number() do replace(number(), take(), take()) end
  for _ = 1, number() do
    local id, labels = take(), take()
    if labels == '' then
      redis.call('UNLINK', P .. 'p' .. id)
    else
      redis.call('SET', P .. 'p' .. id, labels, 'EX', SOURCES[0].ttl)
    end
  end
  for _ = 1, number() do redis.call('HSET', P .. 'o', take(), take()) end
  return 1
end

if ARGV[1] == 'join' then return join() end
if ARGV[1] == 'look' then return look() end
return apply()
