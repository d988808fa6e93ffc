"""What the scripts on a Redis server have in common, and the keys that they change.

All keys begin with a prefix that ends in `}:`, so they lie in one slot of a cluster:

meta           hash: `version`, `log` (another id each time the log was lost), `newest` (number),
               `planned` (the name under which many tasks were scheduled latest), `server` (its id)
               and `resumed` (when the first instance joined it, if there was another before)
record         zset by number: the number, a space and the record's text (`redistext.py`)
at:TASK        zset by `at`: the numbers of a task's records
due:TASK       zset by `scheduled_at`: the numbers of its RUN records
head           hash: `ACTION TASK` → the latest number
latest         hash: `ACTION TASK` → the latest run that ended so
ended          hash: a run → the number of its ending
lease          zset by when it ends, of live runs; +inf: with its instance
holder         hash: a live run → its instance, a space, the task
instance       zset by when it is gone, of instances
member         hash: an instance → host, process and since when, as JSON
task           hash: TASK → since when its condition reads so, up to when all is decided or `-`, and
               the condition, with spaces between
missed         zset by `scheduled_at`: TASK, `scheduled_at` and `until` (or nothing), with spaces
answer:ID      the latest commit of an instance: its token, and its answers
removed:ID     its latest removal of dynamic tasks: its token, and which there were, as JSON
dynamic        hash: a dynamic task → its row, a JSON list of texts: shard, text, condition,
               version, born, since, decided, due, look, wait, holder (nothing for None), and
               `ACTION TASK` of each that it waits for
name           zset, all at 0: the dynamic tasks, to be read by name
decided        zset by up to when all was decided, or since when it is there: the dynamic tasks
look:SHARD     zset by `look`: the dynamic tasks to be looked at
held:ID        zset by the number of the `take`: the dynamic tasks that an instance holds
waiting:ACTION TASK
               zset by position: the dynamic tasks that wait for such a record
staged:NAME    hash: pieces of many dynamic tasks that are to be scheduled, not confirmed yet
planned        hash: those that are confirmed, until they are scheduled
stirred        hash: `ACTION TASK` that has newer records, by which not all are woken yet → the
               instant of the first
news           a channel: who has written, and up to which number where it was records

A record's text has its numbers first and the task, label and error last, as JSON texts: so the
ending of a run is made of its RUN record without reading them.
"""

from __future__ import annotations

from .renewals import GRACE

PRELUDE = (
    f"""
local GRACE = {GRACE}
"""
    + """
local META = KEYS[1]
local P = string.sub(META, 1, -5)
local RECORD, HEAD, LATEST, ENDED = P .. 'record', P .. 'head', P .. 'latest', P .. 'ended'
local LEASE, HOLDER, INSTANCE = P .. 'lease', P .. 'holder', P .. 'instance'
local MEMBER, TASK, MISSED, NEWS = P .. 'member', P .. 'task', P .. 'missed', P .. 'news'
local DYNAMIC, NAME, STIRRED = P .. 'dynamic', P .. 'name', P .. 'stirred'
local BY_DECIDED = P .. 'decided'
local ACTIONS = {'run', 'success', 'fail', 'terminate', 'inaction', 'crash'}
local call = redis.call

local function text(number) return string.format('%.0f', number) end

local function clock()
    local time = call('TIME')
    return time[1] * 1000000 + time[2]
end

-- The newest number; nothing where the log is not the one that was known: has another id or less,
-- or another record where one was that begins like `mark`.
local function newest_of(log, known, mark)
    local meta = call('HMGET', META, 'log', 'newest')
    if meta[1] ~= log then return nil end
    local newest = tonumber(meta[2])
    if newest < tonumber(known) then return nil end
    if mark ~= '' then
        local seq = string.match(mark, '^%d+')
        local record = call('ZRANGEBYSCORE', RECORD, seq, seq)[1]
        if record and string.sub(record, 1, #mark) ~= mark then return nil end
    end
    return newest
end

local LOST = redis.error_reply('ONCUELOST the log is another')

local function append(seq, task, action, at, run, payload)
    call('ZADD', RECORD, seq, seq .. ' ' .. payload)
    call('ZADD', P .. 'at:' .. task, at, seq)
    local key = action .. ' ' .. task
    call('HSET', HEAD, key, seq)
    if call('EXISTS', P .. 'waiting:' .. key) == 1 then call('HSETNX', STIRRED, key, at) end
    if run then
        call('HSET', ENDED, run, seq)
        local latest = call('HGET', LATEST, key)
        if not latest or tonumber(latest) < tonumber(run) then call('HSET', LATEST, key, run) end
        call('ZREM', LEASE, run)
        call('HDEL', HOLDER, run)
    end
end

local function crash(run, seq, at)
    local task = string.match(call('HGET', HOLDER, run), '^%S+ (.*)$')
    local record = call('ZRANGEBYSCORE', RECORD, run, run)[1]
    local texts = string.match(record, '^[^,]*,"run",[^,]*,[^,]*,null,null,(.*)$')
    local payload = '[' .. at .. ',"crash",null,null,' .. run .. ',null,' .. texts
    append(seq, task, 'crash', at, run, payload)
end

-- That an instance has written, up to that number, or something beside the log.
local function tell(own, newest)
    if call('ZCARD', INSTANCE) > 1 then
        call('PUBLISH', NEWS, newest and own .. ' ' .. text(newest) or own)
    end
end

-- The records after a number, each a line: a single text is read much faster than many.
local function lines(position, ...)
    return table.concat(call('ZRANGEBYSCORE', RECORD, '(' .. position, ...), '\\n')
end

-- The live runs whose lease is over or whose instance is gone, by number, and those instances. Who
-- is late himself takes nobody for gone: the server may have been stopped. Nor is anybody where the
-- server has just resumed.
local function over(own, now)
    local found, runs, gone = {}, {}, {}
    local ends = call('ZSCORE', INSTANCE, own)
    local resumed = call('HGET', META, 'resumed')
    local waits = resumed and now < tonumber(resumed) + GRACE
    if not waits and (not ends or tonumber(ends) > now) then
        for _, id in ipairs(call('ZRANGEBYSCORE', INSTANCE, '-inf', text(now))) do
            gone[#gone + 1] = id
            gone[id] = true
        end
    end
    for _, run in ipairs(call('ZRANGEBYSCORE', LEASE, '-inf', text(now))) do found[run] = true end
    if #gone > 0 then
        local held = call('HGETALL', HOLDER)
        for i = 1, #held, 2 do
            if gone[string.match(held[i + 1], '^%S+')] then found[held[i]] = true end
        end
    end
    for run in pairs(found) do runs[#runs + 1] = run end
    table.sort(runs, function(a, b) return tonumber(a) < tonumber(b) end)
    return runs, gone
end

-- The places of what a row says; what it waits for comes after them.
local SHARD, TEXT, CONDITION, VERSION, BORN, SINCE = 1, 2, 3, 4, 5, 6
local DECIDED, DUE, LOOK, WAIT, HELD = 7, 8, 9, 10, 11

local function row_of(task)
    local found = call('HGET', DYNAMIC, task)
    return found and cjson.decode(found)
end

-- Keep the row of a task; to be looked at then, or not by time alone.
local function keep(task, row, look)
    if row[LOOK] ~= look then
        if look == '' then call('ZREM', P .. 'look:' .. row[SHARD], task)
        else call('ZADD', P .. 'look:' .. row[SHARD], look, task) end
        row[LOOK] = look
    end
    call('HSET', DYNAMIC, task, cjson.encode(row))
end

local function let_go(task, row, look)
    call('ZREM', P .. 'held:' .. row[HELD], task)
    row[HELD] = ''
    keep(task, row, look)
end

-- What an instance holds, but for these, is due at once.
local function release(own, but)
    for _, task in ipairs(call('ZRANGE', P .. 'held:' .. own, 0, -1)) do
        if not but[task] then let_go(task, row_of(task), '0') end
    end
end

local function forget_waits(task, row)
    for n = #row, HELD + 1, -1 do
        call('ZREM', P .. 'waiting:' .. row[n], task)
        row[n] = nil
    end
end

local function remove(task, row)
    forget_waits(task, row)
    call('ZREM', P .. 'held:' .. row[HELD], task)
    call('ZREM', P .. 'look:' .. row[SHARD], task)
    call('ZREM', NAME, task)
    call('ZREM', BY_DECIDED, task)
    call('HDEL', DYNAMIC, task)
end

-- The task of a live run is due at once, if the instance of the run holds it.
local function release_of(run)
    local id, task = string.match(call('HGET', HOLDER, run), '^(%S+) (.*)$')
    local row = row_of(task)
    if row and row[HELD] == id then let_go(task, row, '0') end
end

-- Write `crash` for them, release what they leave held, and forget the instances that are gone.
local function reap(own, now, at, newest)
    local runs, gone = over(own, now)
    for _, run in ipairs(runs) do
        newest = newest + 1
        release_of(run)
        crash(run, text(newest), at)
    end
    if #runs > 0 then
        call('HSET', META, 'newest', text(newest))
        tell(own, newest)
    end
    for _, id in ipairs(gone) do
        call('ZREM', INSTANCE, id)
        call('HDEL', MEMBER, id)
        release(id, {})
    end
    return newest
end

-- Which server this is, as far as it may be known; if one was there before, this has resumed now.
local function know_server(before)
    local info = redis.pcall('INFO', 'server')
    local id = type(info) == 'string' and string.match(info, 'run_id:(%w+)')
    if id and id ~= call('HGET', META, 'server') then
        call('HSET', META, 'server', id)
        if before then call('HSET', META, 'resumed', text(clock())) end
    end
end

local function join(own, member, ends)
    call('ZADD', INSTANCE, ends, own)
    call('HSET', MEMBER, own, member)
    know_server(true)
end
"""
)


def script(body: str) -> str:
    return PRELUDE + body
