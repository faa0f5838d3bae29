"""The inbox: what the web face took and the flows have not read yet, in one table that is only ever appended to.

An entry is answered for once it is committed. Entries of many requests that arrive together ride in one commit, and
commits follow one another whichever process makes them, so entries become visible in the order of their ids: a reader
that remembers the last id misses none.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import Any

import orjson
import sqlalchemy as sa

MOST_TOGETHER = 5_000
"""Entries in one commit at most."""
_ADVISORY_LOCK = 7_236_114
"""A number of our own by which PostgreSQL lets one commit of the inbox follow the other."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
metadata = sa.MetaData()
inbox_table = sa.Table(
    "inbox",
    metadata,
    sa.Column("entry_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("entry_key", sa.String(64), nullable=False, unique=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("received_us", sa.BigInteger, nullable=False),  # microseconds since 1970 (UTC)
    sa.Column("body", sa.Text, nullable=False),
    sqlite_autoincrement=True,  # an id is never given twice
)


_PRAGMAS = (
    "journal_mode=wal",
    "synchronous=full",
    "busy_timeout=20000",
    # keys come in no order, so their index is held in memory and put in its place some 64 MB at a time
    "cache_size=-65536",
    "wal_autocheckpoint=16384",
)
_INTO_SQLITE = sa.text(
    "insert into inbox (entry_key, kind, received_us, body)"
    " select json_extract(value, '$[0]'), json_extract(value, '$[1]'), :stamp, json_extract(value, '$[2]')"
    " from json_each(:rows) where true order by key on conflict (entry_key) do nothing"
)
_INTO_POSTGRESQL = sa.text(
    "insert into inbox (entry_key, kind, received_us, body) select entry_key, kind, :stamp, body"
    " from unnest(cast(:keys as text[]), cast(:kinds as text[]), cast(:bodies as text[]))"
    " with ordinality as told (entry_key, kind, body, place) order by place on conflict (entry_key) do nothing"
)


@dataclass(frozen=True)
class Entry:
    """One thing that came in: ``body`` is JSON. An entry whose ``key`` is known is the same, and adds nothing."""

    key: str
    kind: str
    body: str


def connect_inbox(url: str) -> sa.Engine:
    """An engine whose inbox exists."""
    engine = sa.create_engine(url, pool_pre_ping=True)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("begin immediate"))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        metadata.create_all(connection)
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says, and take the lock at once
    for pragma in _PRAGMAS:
        connection.execute(f"pragma {pragma}")


class Inbox:
    """Appends for a web server: a thread of its own commits whatever has come in meanwhile.

    Args:
        url: A SQLAlchemy URL.
        clock: Tells when an entry was received.
        on_committed: Called in the event loop with what a request brought, once that is committed.
    """

    def __init__(
        self,
        url: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_committed: Callable[[Sequence[Entry]], None] = lambda _: None,
    ) -> None:
        self.engine = connect_inbox(url)
        self._clock = clock
        self._on_committed = on_committed
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="inbox", daemon=True)
        self._writer.start()

    async def append(self, entries: Sequence[Entry]) -> None:
        """Return once the entries are committed.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: They are not; whoever sent them has to send them again.
        """
        if not entries:
            return
        waiting = _Waiting(entries, asyncio.get_running_loop().create_future())
        self._queue.put(waiting)
        await waiting.committed
        self._on_committed(entries)

    def close(self) -> None:
        """Commit what waits, and end."""
        self._queue.put(None)
        self._writer.join()
        self.engine.dispose()

    def _write(self) -> None:
        first = self._queue.get()
        while first is not None:
            together, is_last = [first], False
            while not self._queue.empty() and sum(len(one.entries) for one in together) < MOST_TOGETHER:
                following = self._queue.get()
                if following is None:
                    is_last = True
                    break
                together.append(following)
            try:
                append_entries(self.engine, [entry for one in together for entry in one.entries], self._clock())
            except Exception as error:  # noqa: BLE001 (each request answers for its own)
                for one in together:
                    one.end(error)
            else:
                for one in together:
                    one.end(None)
            first = None if is_last else self._queue.get()


class _Waiting:
    """A request's entries, and what it waits for."""

    def __init__(self, entries: Sequence[Entry], committed: asyncio.Future[None]) -> None:
        self.entries = entries
        self.committed = committed

    def end(self, error: Exception | None) -> None:
        self.committed.get_loop().call_soon_threadsafe(self._end, error)

    def _end(self, error: Exception | None) -> None:
        if self.committed.done():
            return  # the request was given up
        if error is None:
            self.committed.set_result(None)
        else:
            self.committed.set_exception(error)


def append_entries(engine: sa.Engine, entries: Sequence[Entry], received_at: datetime) -> None:
    """Commit entries; those whose key is known are left as they are.

    All of them are one value of one statement: putting them in one by one would take most of the web face's time.
    """
    stamp = (received_at - _EPOCH) // timedelta(microseconds=1)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
            keys, kinds, bodies = zip(*((entry.key, entry.kind, entry.body) for entry in entries), strict=True)
            values = {"keys": list(keys), "kinds": list(kinds), "bodies": list(bodies), "stamp": stamp}
            connection.execute(_INTO_POSTGRESQL, values)
        else:
            rows = orjson.dumps([(entry.key, entry.kind, entry.body) for entry in entries]).decode()
            connection.execute(_INTO_SQLITE, {"rows": rows, "stamp": stamp})
