"""The scripts that change a log on Redis: each is one step that nobody sees half done.

All keys begin with a prefix that ends in `}:`, so they lie in one slot of a cluster:

meta           hash: `version`, `log` (another id each time the log was lost), `newest` (number)
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
news           a channel: who has written

A record's text has its numbers first and the task, label and error last, as JSON texts: so the
ending of a run is made of its RUN record without reading them.
"""

from __future__ import annotations

PRELUDE = """
local META = KEYS[1]
local P = string.sub(META, 1, -5)
local RECORD, HEAD, LATEST, ENDED = P .. 'record', P .. 'head', P .. 'latest', P .. 'ended'
local LEASE, HOLDER, INSTANCE = P .. 'lease', P .. 'holder', P .. 'instance'
local MEMBER, TASK, MISSED, NEWS = P .. 'member', P .. 'task', P .. 'missed', P .. 'news'
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

local function tell(own)
    if call('ZCARD', INSTANCE) > 1 then call('PUBLISH', NEWS, own) end
end

-- The live runs whose lease is over or whose instance is gone, by number, and those instances.
local function over(own, now)
    local found, runs, gone = {}, {}, {}
    for _, id in ipairs(call('ZRANGEBYSCORE', INSTANCE, '-inf', text(now))) do
        if id ~= own then gone[#gone + 1] = id; gone[id] = true end
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

-- Write `crash` for them, and forget the instances that are gone.
local function reap(own, now, at, newest)
    local runs, gone = over(own, now)
    for _, run in ipairs(runs) do
        newest = newest + 1
        crash(run, text(newest), at)
    end
    if #runs > 0 then
        call('HSET', META, 'newest', text(newest))
        tell(own)
    end
    for _, id in ipairs(gone) do
        call('ZREM', INSTANCE, id)
        call('HDEL', MEMBER, id)
    end
    return newest
end

local function join(own, member, ends)
    call('ZADD', INSTANCE, ends, own)
    call('HSET', MEMBER, own, member)
end
"""


def script(body: str) -> str:
    return PRELUDE + body


OPEN = script("""
-- version, a new id, whether to create, instance, member, how long it lives, now
local version, log, create, own, member, lease, at = unpack(ARGV)
local found = call('HMGET', META, 'version', 'log', 'newest')
if not found[1] then
    if create == '0' then return {} end
    call('HSET', META, 'version', version, 'log', log, 'newest', '0')
    found = {version, log, '0'}
elseif tonumber(found[1]) > tonumber(version) then
    return {found[1]}
end
local now = clock()
join(own, member, text(now + lease))
local newest = reap(own, now, at, tonumber(found[3]))
call('PUBLISH', NEWS, own)
return {found[1], found[2], text(newest), text(now), call('ZCARD', INSTANCE) - 1}
""")

RENEW = script("""
-- instance, member, how long it lives
join(ARGV[1], ARGV[2], text(clock() + ARGV[3]))
""")

LEAVE = script("""
-- instance: its leases are over now
local own = ARGV[1]
local held = call('HGETALL', HOLDER)
for i = 1, #held, 2 do
    if string.match(held[i + 1], '^%S+') == own then call('ZADD', LEASE, 0, held[i]) end
end
call('ZREM', INSTANCE, own)
call('HDEL', MEMBER, own)
call('DEL', P .. 'answer:' .. own)
call('PUBLISH', NEWS, own)
""")

RESTORE = script("""
-- version, the id that was known, a new id, the newest number that was known
local version, known_log, log, known = unpack(ARGV)
local found = call('HMGET', META, 'log', 'newest')
if found[1] and found[1] ~= known_log then log = found[1] end
local newest = text(math.max(tonumber(found[2] or 0), tonumber(known)))
call('HSET', META, 'version', version, 'log', log, 'newest', newest)
return {log, newest, found[2] or '0'}
""")

COMMIT = script("""
-- log, known, mark, instance, member, how long it lives, token, for how long it is kept; the steps
local own, member, lease, token, kept = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local FIRST = 9
local answer = P .. 'answer:' .. own
local stored = call('GET', answer)
if stored then
    local of, answers = string.match(stored, '^(%d+) (.*)$')
    if of == token then return answers end
    if tonumber(of) > tonumber(token) then return 'void' end
end
local newest = newest_of(ARGV[1], ARGV[2], ARGV[3])
if not newest then return LOST end
local now = clock()
if not call('ZSCORE', INSTANCE, own) then join(own, member, text(now + lease)) end

-- judge all before anything is written
local undone = false
local refused, ended = {}, {}

local function held(run)
    local holder = call('HGET', HOLDER, run)
    return holder and not ended[run] and string.match(holder, '^%S+') == own
end

local function superseded(task, own)
    local known = own ~= '' and call('HGET', TASK, task)
    return known and string.match(known, '^%S+ %S+ (.*)$') ~= own
end

local function overtaken(i, task, position, reads)
    if position >= newest then return false end
    local keys = {}
    for n, action in ipairs(ACTIONS) do keys[n] = action .. ' ' .. task end
    for n = 1, reads do keys[#keys + 1] = ARGV[i + n - 1] end
    for first = 1, #keys, 1000 do
        local heads = call('HMGET', HEAD, unpack(keys, first, math.min(#keys, first + 999)))
        for n = 1, #heads do
            if heads[n] and tonumber(heads[n]) > position then return true end
        end
    end
    return false
end

local i = FIRST
while i <= #ARGV do
    local kind = ARGV[i]
    if kind == 'claim' then
        local reads = tonumber(ARGV[i + 7])
        if superseded(ARGV[i + 1], ARGV[i + 8]) then
            refused[i] = 'superseded'
            undone = true
        elseif undone or overtaken(i + 9, ARGV[i + 1], tonumber(ARGV[i + 4]), reads) then
            refused[i] = 'newer'
            undone = true
        end
        i = i + 9 + reads
    elseif kind == 'finish' then
        if held(ARGV[i + 5]) then
            ended[ARGV[i + 5]] = true
        else
            refused[i] = 'lost'
            undone = true
        end
        i = i + 6
    elseif kind == 'extend' then
        if not held(ARGV[i + 1]) then refused[i] = 'lost' end
        i = i + 3
    else
        i = i + 5
    end
end

local answers, missed = {}, {}
local before = newest
local missing = call('EXISTS', MISSED) == 1
i = FIRST
while i <= #ARGV do
    local kind, said = ARGV[i], refused[i]
    if kind == 'claim' then
        if not said then
            newest = newest + 1
            local seq, task, due, lasts = text(newest), ARGV[i + 1], ARGV[i + 5], ARGV[i + 6]
            append(seq, task, 'run', ARGV[i + 3], nil, ARGV[i + 2])
            call('ZADD', LEASE, lasts == '' and '+inf' or text(now + lasts), seq)
            call('HSET', HOLDER, seq, own .. ' ' .. task)
            if due ~= '' then
                call('ZADD', P .. 'due:' .. task, due, seq)
                if missing then call('ZREM', MISSED, task .. ' ' .. due .. ' ') end
            end
            said = 'c' .. seq
        end
        i = i + 9 + ARGV[i + 7]
    elseif kind == 'finish' then
        if not said then
            newest = newest + 1
            said = text(newest)
            append(said, ARGV[i + 1], ARGV[i + 4], ARGV[i + 3], ARGV[i + 5], ARGV[i + 2])
        end
        i = i + 6
    elseif kind == 'extend' then
        if not said then
            call('ZADD', LEASE, text(now + ARGV[i + 2]), ARGV[i + 1])
            said = text(newest)
        end
        i = i + 3
    else
        missed[#missed + 1] = i
        said = text(newest)
        i = i + 5
    end
    answers[#answers + 1] = said
end
for _, n in ipairs(missed) do
    local task, at, till = ARGV[n + 2], ARGV[n + 3], ARGV[n + 4]
    if till ~= '' or call('ZCOUNT', P .. 'due:' .. task, at, at) == 0 then
        call('ZADD', MISSED, at, ARGV[n + 1])
    end
end
if newest > before then
    call('HSET', META, 'newest', text(newest))
    tell(own)
end
local all = table.concat(answers, ' ')
call('SET', answer, token .. ' ' .. all, 'EX', kept)
return all
""")

SETTLE = script("""
-- instance, token, for how long it is kept, now: what came of a commit whose answer was lost. It is
-- void from now on if it has not happened; what it claimed and nobody launched has crashed.
local own, token, kept, at = unpack(ARGV)
local answer = P .. 'answer:' .. own
local stored = call('GET', answer)
local of, answers
if stored then of, answers = string.match(stored, '^(%d+) (.*)$') end
if of ~= token then
    call('SET', answer, token .. ' void', 'EX', kept)
    return 'void'
end
local newest = tonumber(call('HGET', META, 'newest') or 0)
local before = newest
for run in string.gmatch(answers, 'c(%d+)') do
    local holder = call('HGET', HOLDER, run)
    if holder and string.match(holder, '^%S+') == own then
        newest = newest + 1
        crash(run, text(newest), at)
    end
end
if newest > before then
    call('HSET', META, 'newest', text(newest))
    tell(own)
end
return answers
""")

FOLLOW = script("""
-- log, known, mark, instance, now, position, how many at most, whether to reap
local own, at, position, most = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local newest = newest_of(ARGV[1], ARGV[2], ARGV[3])
if not newest then return LOST end
local now = clock()
if ARGV[8] == '1' then newest = reap(own, now, at, newest) end
local others = call('ZCARD', INSTANCE) - (call('ZSCORE', INSTANCE, own) and 1 or 0)
local records = call('ZRANGEBYSCORE', RECORD, '(' .. position, '+inf', 'LIMIT', 0, most)
return {text(newest), text(now), others, records}
""")

OVER = script("""
-- the live runs whose lease is over or whose instance is gone
return over('', clock())
""")

PICK = script("""
-- the records of these numbers that are there
local found = {}
for _, seq in ipairs(ARGV) do
    local record = call('ZRANGEBYSCORE', RECORD, seq, seq)[1]
    if record then found[#found + 1] = record end
end
return found
""")

REGISTER = script("""
-- now; then tasks and how their conditions read
local found = {}
for i = 2, #ARGV, 2 do
    local task, condition = ARGV[i], ARGV[i + 1]
    local since, decided, before
    local known = call('HGET', TASK, task)
    if known then since, decided, before = string.match(known, '^(%S+) (%S+) (.*)$') end
    if before ~= condition then
        since, decided = ARGV[1], '-'
        call('HSET', TASK, task, since .. ' - ' .. condition)
    end
    found[#found + 1] = since .. ' ' .. decided
end
return found
""")

DECIDED = script("""
-- tasks, up to when all that came due of them was decided, and how their conditions read or nothing
for i = 1, #ARGV, 3 do
    local known = call('HGET', TASK, ARGV[i])
    if known then
        local since, decided, condition = string.match(known, '^(%S+) (%S+) (.*)$')
        local current = ARGV[i + 2] == '' or ARGV[i + 2] == condition
        if current and (decided == '-' or tonumber(decided) < tonumber(ARGV[i + 1])) then
            call('HSET', TASK, ARGV[i], since .. ' ' .. ARGV[i + 1] .. ' ' .. condition)
        end
    end
end
""")

DROP = script("""
-- records to be dropped: the number and the task of each
local dropped = 0
for i = 1, #ARGV, 2 do
    local seq, task = ARGV[i], ARGV[i + 1]
    dropped = dropped + call('ZREMRANGEBYSCORE', RECORD, seq, seq)
    call('ZREM', P .. 'at:' .. task, seq)
    call('ZREM', P .. 'due:' .. task, seq)
    call('HDEL', ENDED, seq)
end
return dropped
""")
