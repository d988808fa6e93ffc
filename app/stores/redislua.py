"""The scripts that change a log on Redis: each is one step that nobody sees half done. The keys are
told in `redisprelude.py`, which all scripts begin with."""

from __future__ import annotations

from .redisprelude import script

OPEN = script("""
-- version, a new id, whether to create, instance, member, how long it lives, now
local version, log, create, own, member, lease, at = unpack(ARGV)
local found = call('HMGET', META, 'version', 'log', 'newest')
if not found[1] then
    if create == '0' then return {} end
    call('HSET', META, 'version', version, 'log', log, 'newest', '0')
    know_server(false)
    found = {version, log, '0'}
elseif tonumber(found[1]) > tonumber(version) then
    return {found[1]}
end
local now = clock()
if tonumber(found[1]) < tonumber(version) then
    local other = call('ZRANGEBYSCORE', INSTANCE, text(now), '+inf', 'LIMIT', 0, 1)[1]
    if other then return {found[1], call('HGET', MEMBER, other)} end
    call('HSET', META, 'version', version)
    found[1] = version
end
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
call('DEL', P .. 'answer:' .. own, P .. 'removed:' .. own)
release(own, {})
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
-- log, known, mark, instance, member, how long it lives, token, for how long it is kept, after
-- which number the records before it are wanted and how many at most; the steps
local own, member, lease, token, kept = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local FIRST = 11
local answer = P .. 'answer:' .. own
local stored = call('GET', answer)
if stored then
    local of, answers = string.match(stored, '^(%d+) (.*)$')
    if of == token then return {answers, false} end
    if tonumber(of) > tonumber(token) then return {'void', false} end
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

local function superseded(task, own, version)
    if version ~= '' then
        local row = row_of(task)
        return not row or row[VERSION] ~= version
    end
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
        if superseded(ARGV[i + 1], ARGV[i + 8], ARGV[i + 9]) then
            refused[i] = 'superseded'
            undone = true
        elseif undone or overtaken(i + 10, ARGV[i + 1], tonumber(ARGV[i + 4]), reads) then
            refused[i] = 'newer'
            undone = true
        end
        i = i + 10 + reads
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
    elseif kind == 'rest' then
        if undone then refused[i] = 'newer' end
        i = i + 9 + ARGV[i + 8]
    else
        i = i + 5
    end
end

local answers, missed, rests = {}, {}, {}
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
        i = i + 10 + ARGV[i + 7]
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
    elseif kind == 'rest' then
        if not said then
            rests[#rests + 1] = i
            said = text(newest)
        end
        i = i + 9 + ARGV[i + 8]
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

local function rest(n)
    local task, position = ARGV[n + 1], tonumber(ARGV[n + 5])
    local row = row_of(task)
    if not row or row[HELD] ~= own then return end
    if row[VERSION] ~= ARGV[n + 2] then return let_go(task, row, '0') end
    if ARGV[n + 7] == '1' then return remove(task, row) end
    forget_waits(task, row)
    for place = n + 9, n + 8 + ARGV[n + 8] do
        local key = ARGV[place]
        local head = call('HGET', HEAD, key)
        if head and tonumber(head) > position then
            local record = call('ZRANGEBYSCORE', RECORD, head, head)[1]
            call('HSETNX', STIRRED, key, string.match(record, '^%d+ %[([^,]*),'))
        end
        call('ZADD', P .. 'waiting:' .. key, position, task)
        row[#row + 1] = key
    end
    call('ZADD', BY_DECIDED, ARGV[n + 4], task)
    row[DUE], row[DECIDED], row[WAIT] = ARGV[n + 3], ARGV[n + 4], ARGV[n + 6]
    let_go(task, row, row[DUE])
end

for _, n in ipairs(rests) do rest(n) end
if newest > before then
    call('HSET', META, 'newest', text(newest))
    tell(own, newest)
end
local all = table.concat(answers, ' ')
call('SET', answer, token .. ' ' .. all, 'EX', kept)
local many = before - (tonumber(ARGV[9]) or before + 1)
if many < 0 or many > tonumber(ARGV[10]) then return {all, false} end
return {all, lines(ARGV[9], text(before))}
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
    tell(own, newest)
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
return {text(newest), text(now), others, lines(position, '+inf', 'LIMIT', 0, most)}
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
-- now; then tasks, how their conditions read, and since when if that is said again or nothing
local found = {}
for i = 2, #ARGV, 3 do
    local task, condition, again = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local since, decided, before
    local known = call('HGET', TASK, task)
    if known then since, decided, before = string.match(known, '^(%S+) (%S+) (.*)$') end
    if before ~= condition and not (again ~= '' and since and tonumber(since) >= tonumber(again))
    then
        if again == '' then since, decided = ARGV[1], '-' else since, decided = again, ARGV[1] end
        call('HSET', TASK, task, since .. ' ' .. decided .. ' ' .. condition)
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
    for _, action in ipairs(ACTIONS) do
        local key = action .. ' ' .. task
        if call('HGET', HEAD, key) == seq then
            call('HDEL', HEAD, key)
            call('HDEL', LATEST, key)
        end
    end
end
return dropped
""")
