"""A log on a Redis server: what is said at the start, what is never said, connections that are cut,
and the notice that instances have of each other."""

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
from redis import Redis as Client
from redis.connection import Connection

from oncue.app.clock import stopwatch, wall
from oncue.app.errors import DefinitionError, StoreError
from oncue.app.stores import store_at
from oncue.app.stores.protocol import CLOCK_CHECK, LogLost, Missed, Query, Store
from oncue.app.stores.redisdb import RedisStore
from oncue.app.stores.redisnews import REST
from oncue.app.stores.rediswire import Packer
from oncue.app.stores.rediswriting import Writer
from oncue.app.stores.skew import Skew
from oncue.engine.records import Action, Key
from oncue.tests.durability.proxy import Proxy as Road
from oncue.tests.durability.servers import RedisServer
from oncue.tests.stores.conftest import Redis
from oncue.tests.stores.steps import LATE, claim, commit, finish, log_of, opened, shown

LONG = 30  # seconds that nothing should take

# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "where", "namespace"),
    [
        ("redis://localhost", "redis://localhost:6379/0", ""),
        ("redis://:secret@h:1/3?namespace=a", "redis://h:1/3", "a"),
        ("rediss://me:se%40cret@h?ssl_cert_reqs=none&timeout=2.5", "rediss://h:6379/0", ""),
        ("redis://[::1]:7/", "redis://[::1]:7/0", ""),
    ],
)
def test_an_address_names_a_database(address: str, where: str, namespace: str) -> None:
    store = store_at(address)
    assert isinstance(store, RedisStore)
    assert (store.server.where, store.namespace) == (where, namespace)


def test_options_of_tls_are_the_clients() -> None:
    said = {
        "ssl_ca_certs": "/ca.pem", "ssl_ca_path": "/cas", "ssl_certfile": "/c", "ssl_keyfile": "/k",
        "ssl_password": "secret", "ssl_ciphers": "HIGH", "ssl_cert_reqs": "required",
    }  # fmt: skip
    store = store_at(f"rediss://h?{urlencode(said)}")
    assert isinstance(store, RedisStore)
    found = store.server.connect().connection_pool.connection_kwargs
    assert said.items() <= found.items()
    assert found["ssl_check_hostname"] is True


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("redis:localhost", "an address is redis://USER:PASSWORD@HOST:PORT/NUMBER"),
        ("redis://:secret@[::1/0", r"the host in a redis address is no IPv6 one in \[ \]"),
        ("redis://:secret@h:port", "the port of a redis:// address is a number"),
        (
            "redis://:secret@h/jobs",
            "redis://USER:PASSWORD@HOST:PORT/NUMBER; the database has a n",
        ),
        ("redis://:1234/secret@h", "special characters are written %XX"),
        ("redis://:1234#secret@h", "special characters are written %XX"),
        ("redis://:sec?ret@h/0", "redis://:[*]{3}@h/0': options are written as in"),
        ("redis://:secret@h?colour=x", "no option 'colour'; there are namespace, create, timeout"),
        ("redis://:secret@h?timeout=no", "redis://h:6379/0: timeout=no is not a number of seconds"),
        ("redis://:secret@h?timeout=0", "timeout=0 is not a number of seconds"),
        ("redis://:secret@h?ssl_ca_certs=x", "there is no option 'ssl_ca_certs'"),
        ("rediss://:secret@h?ssl_cert_reqs=x", "ssl_cert_reqs=x: it is none, optional or required"),
        ("rediss://:secret@h?ssl_check_hostname=1", "ssl_check_hostname=1 is neither true nor fal"),
        (
            "rediss://h?ssl_password=secret&ssl_ca=x",
            "ssl_password=[*]{3}&ssl_ca=x': there is no",
        ),
        ("redis://:secret@h?create=1", "create=1 is neither true nor false"),
        ("redis://:secret@h?namespace=A", "namespace='A': it has small letters"),
    ],
)
def test_an_address_that_cannot_be_is_refused(address: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message) as raised:
        store_at(address)
    assert "secret" not in str(raised.value)


def test_without_the_client_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("oncue.app.stores.redis")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(DefinitionError, match=r"needs redis-py: pip install 'oncue\[redis\]'"):
        store_at("redis://localhost")


# --- the start ------------------------------------------------------------------------------------


def refused(store: Store) -> str:
    """The one line that opening a store ends with."""
    with pytest.raises(StoreError) as raised:
        asyncio.run(store.open(0))
    text = str(raised.value)
    assert "\n" not in text and "secret" not in text
    return text


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    store = store_at(f"redis://:secret@127.0.0.1:{port}/0")
    text = refused(store)
    assert f"the store 'redis://127.0.0.1:{port}/0' does not answer: " in text
    with pytest.raises(StoreError, match="does not answer"):
        store.read(Query())


def test_a_wrong_password_is_told(redis: Redis) -> None:
    place = redis.url.rpartition("@")[2].removeprefix("redis://")
    text = refused(store_at(f"redis://nobody:secret@{place}"))
    assert "refuses this user or password" in text


def test_a_namespace_that_must_not_be_made_is_not(redis: Redis) -> None:
    store = RedisStore(redis.url, namespace=redis.namespace, create=False)
    assert f"has no namespace '{redis.namespace}', and create=False forbids" in refused(store)
    assert redis.client.keys(f"{redis.prefix}*") == []

    async def story() -> None:
        async with opened(redis()), opened(store):
            assert len(store.instances()) == 2

    asyncio.run(story())


def test_a_log_of_a_newer_version_is_left_alone(redis: Redis) -> None:
    async def story() -> None:
        async with opened(redis()) as store:
            await commit(store, claim("a", 0))

    asyncio.run(story())
    redis.client.hset(f"{redis.prefix}meta", "version", "9")
    before = {key: redis.client.dump(key) for key in redis.client.keys(f"{redis.prefix}*")}
    store = redis()
    assert "was made by a newer oncue (its version is 9, this one knows 2)" in refused(store)
    with pytest.raises(StoreError, match="was made by a newer oncue"):
        store.read(Query())
    after = {key: redis.client.dump(key) for key in redis.client.keys(f"{redis.prefix}*")}
    assert after == before


def test_keys_of_another_program_are_told(redis: Redis) -> None:
    redis.client.set(f"{redis.prefix}meta", "theirs")
    assert "has keys of another program where the log would be" in refused(redis())


@contextmanager
def said(answer: bytes) -> Iterator[str]:
    """The address of what says this to whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while asked := connection.recv(4096):
                    for _ in range(asked.count(b"*")):
                        connection.sendall(b"+OK\r\n" if b"INFO\r\n" not in asked else answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        thread.join()


def test_a_server_that_is_too_old_is_told() -> None:
    info = b"redis_version:5.0.14\r\naof_enabled:1\r\n"
    with said(b"$%d\r\n%s\r\n" % (len(info), info)) as url:
        assert "is Redis 5.0.14; it has to be 6.2 or newer" in refused(store_at(url))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "still loading its data"),
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "its memory is full"),
        (b"-READONLY You can't write against a read only replica.\r\n", "it is a replica"),
        (
            b"-MOVED 7 10.0.0.1:6379\r\n",
            "part of a cluster, which keeps this namespace at 10.0.0.1:6379",
        ),
    ],
)
def test_a_server_that_cannot_do_it_says_why(answer: bytes, message: str) -> None:
    with said(answer) as url:
        assert message in refused(store_at(url))


# --- a server that stops --------------------------------------------------------------------------


@contextmanager
def running(*settings: str, of: RedisServer | None = None) -> Iterator[RedisServer]:
    server = RedisServer(*settings, of=of)
    try:
        server.start()
        server.wait()
        yield server
    finally:
        server.remove()


def test_what_may_lose_records_is_said_once_and_no_password_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(server: RedisServer) -> None:
        async with opened(store_at(server.address())) as store:
            await store.follow(0, 0)
            async with opened(store.again()):
                (line,) = caplog.messages
            assert "appendonly no" in line and "maxmemory-policy allkeys-lru" in line
            server.crash()
            with pytest.raises(StoreError, match="does not answer") as raised:
                await commit(store, claim("a", 0))
            assert server.password not in str(raised.value)
        assert server.password not in repr(store) + caplog.text

    with running("appendonly no", "maxmemory-policy allkeys-lru") as server:
        asyncio.run(story(server))


def test_a_server_that_is_started_again_is_gone_on_with(caplog: pytest.LogCaptureFixture) -> None:
    async def story(server: RedisServer) -> None:
        async with opened(store_at(server.address())) as store:
            await commit(store, claim("a", 0))
            server.crash()
            with pytest.raises(StoreError, match="does not answer"):
                await commit(store, finish("a", 1))
            server.start()
            server.wait()
            assert await commit(store, finish("a", 1), claim("b", 1)) == [2, 3]
            assert shown(await store.follow(0, 0)) == ["1 run", "2 success of 1", "3 run"]
        assert caplog.messages == []

    with running() as server:
        asyncio.run(story(server))


@contextmanager
def replica_of(server: RedisServer) -> Iterator[Client]:
    """Commands to one that follows it."""
    with running(of=server) as replica, Client.from_url(replica.address()) as client:
        until = time.monotonic() + LONG
        while client.info("replication")["master_link_status"] != "up":
            assert time.monotonic() < until, "it does not follow"
            time.sleep(0.02)
        yield client


@pytest.mark.parametrize("behind", [False, True])
def test_a_replica_that_is_promoted_is_gone_on_with(
    behind: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """At the address of the one before; what it lacks of that one's records never was."""

    async def story(server: RedisServer, replica: Client, road: Road) -> None:
        async with opened(store_at(server.address(road.port))) as one:
            await commit(one, claim("a", 0))
            with Client.from_url(server.address()) as client:
                assert client.wait(1, LONG * 1000) == 1
            if behind:
                replica.replicaof("NO", "ONE")
                await commit(one, finish("a", 1))
            server.crash()
            road.target = replica.connection_pool.connection_kwargs["port"]
            if behind:
                with pytest.raises(LogLost, match="has lost records; what it has is read anew"):
                    await commit(one, claim("b", 2))
                assert await one.load({"a": 0}) == (2, one.read(Query()))
            else:
                with pytest.raises(StoreError, match="it is a replica"):
                    await commit(one, claim("b", 1))
                replica.replicaof("NO", "ONE")
            assert await commit(one, finish("a", 1), claim("b", 2)) == [2 + behind, 3 + behind]
            assert log_of(one) == ["1 run", f"{2 + behind} success of 1", f"{3 + behind} run"]
            assert [instance.own for instance in one.instances()] == [True]
        assert ("has lost records" in caplog.text) == behind

    with running() as server, replica_of(server) as replica:
        road = Road(server.port)
        try:
            asyncio.run(story(server, replica, road))
        finally:
            road.close()


# --- connections and notice -----------------------------------------------------------------------


def cut(redis: Redis) -> int:
    """End the connections of a namespace's instances; how many there were."""
    ids = [
        each["id"]
        for each in redis.client.client_list()
        if each["name"] == f"oncue:{redis.namespace}"
    ]
    return sum(redis.client.client_kill_filter(_id=id_) for id_ in ids)


def test_a_lease_that_was_not_renewed_is_renewed_soon_and_that_is_said_once(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("oncue.app.stores.redisdb.LEASE", 3_000_000)
    monkeypatch.setattr("oncue.app.stores.redisdb.AGAIN", 0.01)
    tries, renewed = iter(range(3)), threading.Event()

    def renew(writer: Writer) -> None:
        if next(tries, None) is not None:
            raise StoreError("no answer")
        renewed.set()

    monkeypatch.setattr(Writer, "renew", renew)

    async def story() -> None:
        async with opened(redis()):
            assert await asyncio.to_thread(renewed.wait, 3)

    asyncio.run(story())
    assert caplog.messages.count("the lease was not renewed: no answer") == 1


def test_connections_that_are_cut_are_made_again(redis: Redis) -> None:
    async def story() -> None:
        async with opened(redis()) as store:
            assert await commit(store, claim("a", 0)) == [1]
            assert cut(redis) == 1
            assert await commit(store, finish("a", 1)) == [2]
            cut(redis)
            assert len(await store.follow(0, 0)) == 2
            cut(redis)
            assert len(store.read(Query())) == 2
            cut(redis)
            assert (await store.load({"a": 0}))[0] == 2

    asyncio.run(story())


@pytest.mark.parametrize(
    "command",
    [
        ("PING",),
        ("CONFIG GET", "maxmemory"),
        ("SET", b"a\xff\r\n", "é \n", 1, -2, 0.5, ""),
        ("EVAL", "x" * 10_000, 1, b"key"),
    ],
)
def test_a_command_is_written_as_the_client_does_but_at_once(command: tuple[str, str]) -> None:
    written = Connection().pack_command(*command)
    assert Packer().pack(*command) == [b"".join(written)]


class Ear:
    """What a store calls when others have written."""

    def __init__(self) -> None:
        self._called = threading.Semaphore(0)

    def __call__(self, newest: int) -> None:
        self._called.release()

    def was_called(self, within: float = LONG) -> bool:
        return self._called.acquire(timeout=within)


def test_what_is_said_in_quick_succession_is_heard_together(redis: Redis) -> None:
    async def story() -> None:
        one, two = redis(), redis()
        heard: list[int] = []
        one.on_notice(heard.append)
        began = stopwatch()
        async with opened(one), opened(two):
            for n in range(50):
                await commit(two, claim(f"task {n}", LATE))
            while 50 not in heard:
                await asyncio.sleep(REST)
            assert len(heard) <= (stopwatch() - began) / REST + 1

    asyncio.run(asyncio.wait_for(story(), LONG))


def test_what_another_instance_writes_is_heard_and_what_oneself_writes_is_not(
    redis: Redis,
) -> None:
    async def story() -> None:
        ear, one, two = Ear(), redis(), redis()
        one.on_notice(ear)
        async with opened(one):
            async with opened(two):
                assert ear.was_called()  # it has joined
                await one.follow(0, 0)
                await commit(one, claim("a", 0))
                await commit(one, finish("a", 1))
                await commit(two, claim("b", LATE))
                assert ear.was_called()
                await commit(two, finish("b", 3))
                assert ear.was_called()
                assert one.patience == two.patience * 20 == CLOCK_CHECK
                assert len(await one.follow(0, 0)) == 4
            assert ear.was_called()  # it has left

    asyncio.run(story())


def test_what_no_instance_has_said_is_taken_for_news(redis: Redis) -> None:
    async def story() -> None:
        ear, store = Ear(), redis()
        store.on_notice(ear)
        async with opened(store):
            for said in ("", "x", "x y z", "x " + "9" * 5000):
                redis.client.publish(f"{redis.prefix}news", said)
                assert ear.was_called()

    asyncio.run(story())


def test_a_listener_that_was_cut_off_says_that_something_may_have_been_missed(
    redis: Redis,
) -> None:
    async def story() -> None:
        ear, one, two = Ear(), redis(), redis()
        one.on_notice(ear)
        async with opened(two), opened(one):
            assert cut(redis) == 3
            assert ear.was_called()
            await one.follow(0, 0)
            await commit(two, claim("a", 0))
            assert ear.was_called()

    asyncio.run(story())


def is_about(skew: Skew | None, ahead: int) -> bool:
    return skew is not None and abs(skew.certain - ahead) < LONG * 1_000_000


def test_the_servers_clock_is_compared_with_the_apps(redis: Redis) -> None:
    async def story() -> None:
        second = 1_000_000
        store = redis()
        assert store.skew is None
        async with opened(store, wall() - 60 * second):
            assert is_about(store.skew, 60 * second)
            await store.follow(0, wall() + 3600 * second)
            assert is_about(store.skew, -3600 * second)
            await store.follow(0, wall())
            assert is_about(store.skew, 0)

    asyncio.run(story())


# --- names ----------------------------------------------------------------------------------------

NAMES = [
    "",
    "a",
    "a b",
    "run a",
    "10",
    "{tag}",
    "ŝ∑\U0001f600",
    "nul\0",
    "line\nbreak",
    "\ud800",
    '"\\,',
]


@pytest.mark.parametrize("name", NAMES)
def test_a_task_may_have_any_name(redis: Redis, name: str) -> None:
    async def story() -> None:
        others = [each for each in NAMES if each != name]
        async with opened(redis()) as one, opened(redis()) as two:
            steps = [claim(name, 0, at=5), *(claim(other, 0, at=5) for other in others)]
            await one.commit(steps)
            assert await commit(one, finish(name, 1, at=6)) == [12]
            assert await commit(one, claim("b", 11, Key(name, Action.SUCCESS))) != [13]
            assert await commit(one, claim("b", 11, Key(name, Action.FAIL))) == [13]
            await commit(one, claim(name, 13, at=8), Missed(name, 5), Missed(name, 7))
            redis.lose(one)
            assert len(await two.follow(14, 9)) == 12
            _, found = await two.load({name: 6})
            assert {(r.task, r.run_id) for r in found if r.seq != 12} == {(name, f"id of {name}")}
            assert shown(found) == ["1 run", "12 success of 1", "14 run", "26 crash of 14"]
            assert two.missed([name]) == [Missed(name, 7)]
            await two.register({name: name, "b": "b"}, 10)
            await two.decided({name: 20})
            assert two.registered({name: name})[name] == (10, 20)
            (again,) = await commit(two, claim(name, LATE))
            assert isinstance(again, int)
            await commit(two, finish(name, again))
            assert await two.trim(LATE, {}, 100) == 2 + 1  # the first run, and what was missed

    asyncio.run(story())
