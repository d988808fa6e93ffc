"""The scripts about dynamic tasks on Redis, which do what `dynamic.py` tells: each is one step that
nobody sees half done. The keys are told in `redisprelude.py`.

No script may take long, since the server does nothing else meanwhile. So those who wait are woken
piece by piece, and many tasks are scheduled in pieces too: staged first, which nobody sees; then
confirmed as a whole; then scheduled, by whoever comes by if the instance that began it is gone.
"""

from __future__ import annotations

from .dynamic import PIECE
from .redisprelude import script

WAKE = """
-- Some of those who wait for that as known up to what is below a number are due by then; how many.
local function wake(key, below, most, at)
    local waiting = P .. 'waiting:' .. key
    local found = call('ZRANGEBYSCORE', waiting, '-inf', '(' .. below, 'LIMIT', 0, most)
    for _, task in ipairs(found) do
        local row = row_of(task)
        for n = HELD + 1, #row do
            if row[n] == key then table.remove(row, n) break end
        end
        call('ZREM', waiting, task)
        local look = math.min(at, tonumber(row[LOOK]) or at)
        keep(task, row, row[HELD] == '' and text(look) or '')
    end
    if #found < most then call('HDEL', STIRRED, key) end
    return #found
end
"""

PLAN = """
local PLANNED = P .. 'planned'

local function plan_one(newest, now, task, shard, said, condition, version, due)
    local row = row_of(task)
    if not row then
        call('ZADD', NAME, 0, task)
        call('ZADD', BY_DECIDED, now, task)
        row = {shard, said, condition, version, newest, now, '', due, '', '0', ''}
        return keep(task, row, due)
    end
    local same = row[CONDITION] == condition
    if row[TEXT] == said and row[SHARD] == shard and same then return end
    if not same then
        row[CONDITION], row[SINCE], row[DECIDED] = condition, now, ''
        row[DUE], row[WAIT] = due, '0'
        call('ZADD', BY_DECIDED, now, task)
    end
    if row[SHARD] ~= shard then
        call('ZREM', P .. 'look:' .. row[SHARD], task)
        row[LOOK] = ''
    end
    row[SHARD], row[TEXT], row[VERSION] = shard, said, version
    keep(task, row, row[HELD] == '' and '0' or '')
end

-- A piece is now, a space, and a list of tasks as JSON: each its name, shard, text, condition,
-- version and due.
local function plan(piece)
    local newest = call('HGET', META, 'newest')
    local now, tasks = string.match(piece, '^(%S+) (.*)$')
    for _, task in ipairs(cjson.decode(tasks)) do plan_one(newest, now, unpack(task)) end
end

-- Schedule a piece of what was confirmed; whether there was one.
local function go_on()
    local place = call('HRANDFIELD', PLANNED)
    if not place then return false end
    plan(call('HGET', PLANNED, place))
    call('HDEL', PLANNED, place)
    return true
end
"""

SCHEDULE = script(
    PLAN
    + """
-- log, known, mark, instance, a piece: whether to ask again
if not newest_of(ARGV[1], ARGV[2], ARGV[3]) then return LOST end
if go_on() then return 1 end
plan(ARGV[5])
tell(ARGV[4])
return 0
"""
)

STAGE = script("""
-- a name for many, for how long it is kept, the number of a piece of them, the piece
local staged = P .. 'staged:' .. ARGV[1]
call('HSET', staged, ARGV[3], ARGV[4])
call('EXPIRE', staged, ARGV[2])
""")

CONFIRM = script(
    PLAN
    + """
-- log, known, mark, the name, how many pieces: from now on they will be scheduled, whoever does it;
-- whether to ask again
local staged = P .. 'staged:' .. ARGV[4]
if not newest_of(ARGV[1], ARGV[2], ARGV[3]) then return LOST end
if call('HGET', META, 'planned') == ARGV[4] then return 0 end
if go_on() then return 1 end
if call('HLEN', staged) ~= tonumber(ARGV[5]) then return LOST end
call('PERSIST', staged)
call('RENAME', staged, PLANNED)
call('HSET', META, 'planned', ARGV[4])
return 0
"""
)

GO_ON = script(
    PLAN
    + """
-- instance: whether to ask again
if go_on() then return 1 end
tell(ARGV[1])
return 0
"""
)

UNSCHEDULE = script(
    PLAN
    + """
-- instance, token, for how long it is kept; then tasks: which there were, or nothing: ask again.
-- Asked twice, it answers as it did
local own, token, kept = ARGV[1], ARGV[2], ARGV[3]
local removed = P .. 'removed:' .. own
local of, answer = string.match(call('GET', removed) or '', '^(%d+) (.*)$')
if of == token then return answer end
if go_on() then return nil end
local gone = {}
for n = 4, #ARGV do
    local row = row_of(ARGV[n])
    if row then
        remove(ARGV[n], row)
        gone[#gone + 1] = ARGV[n]
    end
end
if #gone > 0 then tell(own) end
answer = cjson.encode(gone)
call('SET', removed, token .. ' ' .. answer, 'EX', kept)
return answer
"""
)

TAKE = script(
    PLAN
    + WAKE
    + f"local PIECE = {PIECE}"
    + """
-- log, known, mark, instance, member, how long it lives, now, the number of this take, that of the
-- latest one that was answered, the versions of tasks that are passed over by name, as JSON; then
-- shards and shares
local own, now, taking, answered = ARGV[4], tonumber(ARGV[7]), ARGV[8], ARGV[9]
local but, passing = cjson.decode(ARGV[10]), 0
local FIRST = 11
if not newest_of(ARGV[1], ARGV[2], ARGV[3]) then return LOST end

for _ in pairs(but) do passing = passing + 1 end

local function is_passed_over(task) return but[task] and but[task] == row_of(task)[VERSION] end

local function first_look()
    if call('EXISTS', STIRRED, PLANNED) > 0 then return 0 end
    local first = math.huge
    for n = FIRST, #ARGV, 2 do
        local at, found = -1, nil
        repeat
            at = at + 1
            found = call('ZRANGE', P .. 'look:' .. ARGV[n], at, at, 'WITHSCORES')
        until not (found[1] and is_passed_over(found[1]))
        if found[2] then first = math.min(first, tonumber(found[2])) end
    end
    return first
end

go_on()
for _, task in ipairs(call('ZRANGEBYSCORE', P .. 'held:' .. own, '(' .. answered, '+inf')) do
    let_go(task, row_of(task), '0')
end
local first, wanted, reply = first_look(), 0, {''}
for n = FIRST, #ARGV, 2 do wanted = wanted + ARGV[n + 1] end
if first <= now and wanted > 0 then
    if not call('ZSCORE', INSTANCE, own) then join(own, ARGV[5], text(clock() + ARGV[6])) end
    local left = PIECE
    local stirred = call('HRANDFIELD', STIRRED, PIECE, 'WITHVALUES')
    for n = 1, #stirred, 2 do
        local newest = call('HGET', HEAD, stirred[n]) or '0'
        local at = math.min(now, tonumber(stirred[n + 1]))
        if left > 0 then left = left - wake(stirred[n], newest, left, at) end
    end
    for n = FIRST, #ARGV, 2 do
        local look, share = P .. 'look:' .. ARGV[n], tonumber(ARGV[n + 1])
        local due = call('ZRANGEBYSCORE', look, '-inf', ARGV[7], 'LIMIT', 0, share + passing)
        for _, task in ipairs(due) do
            if share == 0 then break end
            if not is_passed_over(task) then
                local found = call('HGET', DYNAMIC, task)
                local row = cjson.decode(found)
                row[HELD] = own
                keep(task, row, '')
                call('ZADD', P .. 'held:' .. own, taking, task)
                reply[#reply + 1] = task
                reply[#reply + 1] = found
                share = share - 1
            end
        end
    end
    first = first_look()
end
if first < math.huge then reply[1] = text(first) end
return reply
"""
)

LET_GO = script("""
-- instance; then tasks, which it goes on to hold
local but = {}
for n = 2, #ARGV do but[ARGV[n]] = true end
release(ARGV[1], but)
""")

ROUSE = script(
    WAKE
    + """
-- instance, how many of those who wait for each, now; then what they wait for: whether to ask again
local most, now, more = tonumber(ARGV[2]), tonumber(ARGV[3]), 0
for n = 4, #ARGV do
    if wake(ARGV[n], '+inf', most, now) == most then more = 1 end
end
tell(ARGV[1])
return more
"""
)

SET_BACK = script("""
-- instance, how many at most, now, an instant: what was decided later than that is decided up to
-- now; whether to ask again
local most, now = tonumber(ARGV[2]), ARGV[3]
local found = call('ZRANGEBYSCORE', BY_DECIDED, '(' .. ARGV[4], '+inf', 'LIMIT', 0, most)
for _, task in ipairs(found) do
    local row = row_of(task)
    call('ZADD', BY_DECIDED, now, task)
    if tonumber(row[SINCE]) > tonumber(now) then row[SINCE] = now end
    if row[DECIDED] ~= '' then row[DECIDED] = now end
    row[DUE] = ''
    keep(task, row, row[HELD] == '' and '0' or '')
end
if #found > 0 then tell(ARGV[1]) end
return #found == most and 1 or 0
""")

FIND = script("""
-- state, now, since, until; then tasks: those there are that satisfy what is said
local state, now = ARGV[1], tonumber(ARGV[2])
local since, before = tonumber(ARGV[3]), tonumber(ARGV[4])

local function state_of(row, look)
    if row[HELD] ~= '' then return 'held' end
    if look then return look > now and 'scheduled' or 'due' end
    return #row > HELD and 'waiting' or 'spent'
end

local reply = {}
for n = 5, #ARGV do
    local found = call('HGET', DYNAMIC, ARGV[n])
    if found then
        local row = cjson.decode(found)
        local look = tonumber(row[LOOK])
        if (state == '' or state == state_of(row, look))
            and (not since or look and look >= since)
            and (not before or look and look < before) then
            reply[#reply + 1] = ARGV[n]
            reply[#reply + 1] = found
        end
    end
end
return reply
""")
