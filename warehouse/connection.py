"""Opens the DuckDB files: one writer a file, held for one short transaction.

DuckDB lets a single process write, and a writer shuts out readers. So every use attaches the file, waits for it within
bounds, and detaches it again; nothing keeps a file across a network call.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import duckdb

from warehouse.errors import FileLockedError, InstantError, WarehouseError
from warehouse.instances import borrow, make_instance, spill_of

if TYPE_CHECKING:
    from settings import Settings

_MIGRATIONS = Path(__file__).parent / "migrations"
IN_MEMORY = Path(":memory:")
_Result = TypeVar("_Result")


@contextmanager
def open_warehouse(settings: Settings, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, migrated. A writing connection is one transaction: committed at the end, rolled back on error."""
    with _open(settings, settings.warehouse, "warehouse", read_only) as connection:
        yield connection


@contextmanager
def open_ledger(
    settings: Settings,
    *,
    read_only: bool = False,
    with_warehouse: bool = False,
    is_brief: bool = False,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The ledger, migrated.

    Args:
        settings: Where it stands.
        read_only: Whether others may read it at the same time.
        with_warehouse: Attach the warehouse read-only as ``warehouse``.
        is_brief: For one of many small commits of a run that has opened it before. It is as safe, and stands in the log
            beside the file until the next use that is not brief.
    """
    if with_warehouse and not settings.warehouse.exists():
        with open_warehouse(settings):
            pass
    attached = settings.warehouse if with_warehouse else None
    with _open(settings, settings.ledger, "ledger", read_only, attached, is_brief=is_brief) as connection:
        yield connection


@contextmanager
def open_replay(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse in memory beside the real one, attached read-only as ``warehouse``: nothing is touched.

    Raises:
        WarehouseError: There is no warehouse, or none in the present form.
    """
    if not settings.warehouse.exists():
        raise WarehouseError(f"there is no warehouse at {settings.warehouse}; run `nurture cycle` first")
    connection = connect(IN_MEMORY, settings)
    try:
        _migrate(connection, _MIGRATIONS / "warehouse")
        attach(connection, settings.warehouse, "warehouse", settings)
        _check_attached(connection, settings.warehouse)
        connection.begin()
        yield connection
    finally:
        connection.close()


@contextmanager
def _open(
    settings: Settings,
    path: Path,
    name: Literal["warehouse", "ledger"],
    read_only: bool,
    attached: Path | None = None,
    *,
    is_brief: bool = False,
) -> Iterator[duckdb.DuckDBPyConnection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if read_only and not path.exists():
        with _open(settings, path, name, read_only=False):
            pass
    with borrow(path, settings) as connection:
        _set_up(connection, settings)
        connection.execute(f"pragma {'disable' if is_brief else 'enable'}_checkpoint_on_shutdown")
        _use(connection, path, name, settings, read_only=read_only)
        if not read_only and not is_brief:
            _migrate(connection, _MIGRATIONS / name)
        if attached is not None:
            attach(connection, attached, "warehouse", settings)
            _check_attached(connection, attached)
        with _transaction(connection):
            yield connection


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def connect(path: Path, settings: Settings, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection of its own to a file, or to nothing but memory, with our settings and functions.

    Raises:
        FileLockedError: Another process held the file for longer than ``lock_timeout_seconds``.
        WarehouseError: The file cannot be read or made.
    """
    # what does not fit in memory goes into the home, not into whatever folder the process was started in
    beside = path if path != IN_MEMORY else settings.warehouse.with_name(f"memory.{os.getpid()}")
    connection = make_instance(settings, spill_of(beside))
    _set_up(connection, settings)
    if path != IN_MEMORY:
        _use(connection, path, "main_file", settings, read_only=read_only)
    return connection


def _set_up(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set memory_limit = ?", [settings.memory_limit])
    connection.execute("set enable_progress_bar = false")


def _use(
    connection: duckdb.DuckDBPyConnection, path: Path, name: str, settings: Settings, *, read_only: bool = False
) -> None:
    """Attach the file whose tables a connection reads and writes without naming it."""
    attach(connection, path, name, settings, read_only=read_only)
    connection.execute(f"set search_path = '{name}.main,memory.main'")  # the latter for our macros


def attach(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    alias: str,
    settings: Settings,
    *,
    read_only: bool = True,
    has_log: bool = True,
) -> None:
    """Attach a DuckDB file, waiting for it as :func:`connect` does.

    Args:
        connection: To attach it to.
        path: The file.
        alias: Its name there.
        settings: How long to wait.
        read_only: Whether others may read it at the same time.
        has_log: Whether what is committed is in a log beside the file until it is in the file. A file that nobody uses
            before it is whole needs none.
    """
    name = str(path).replace("'", "''")  # ATTACH takes no bound value; the path is a setting
    mode = "(read_only)" if read_only else "" if has_log else "(recovery_mode no_wal_writes)"
    _within_timeout(
        path, settings.lock_timeout_seconds, lambda: connection.execute(f"attach '{name}' as {alias} {mode}")
    )


def _check_attached(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuse an attached warehouse that an earlier version made and no run has opened since."""
    if not _is_current(connection, "warehouse", "warehouse"):
        raise WarehouseError(f"{path} is of an earlier version; run `nurture recompute` first")


def attach_current(
    connection: duckdb.DuckDBPyConnection, settings: Settings, name: Literal["warehouse", "ledger"]
) -> None:
    """Attach the warehouse or the ledger read-only by its name; made, or migrated, where it is not as it should be."""
    path: Path = getattr(settings, name)
    if path.exists() and not path.with_name(f"{path.name}.wal").exists():
        attach(connection, path, name, settings)
        if _is_current(connection, name, name):
            return
        connection.execute(f"detach {name}")
    with _open(settings, path, name, read_only=False):  # also puts what stands in the log into the file
        pass
    attach(connection, path, name, settings)


def attach_ledger(connection: duckdb.DuckDBPyConnection, settings: Settings) -> bool:
    """Attach the ledger read-only as ``ledger``, if there is one. Whether there is.

    Raises:
        WarehouseError: An earlier version made it, and no run has opened it since.
    """
    if not settings.ledger.exists():
        return False
    attach(connection, settings.ledger, "ledger", settings)
    if not _is_current(connection, "ledger", "ledger"):
        raise WarehouseError(f"{settings.ledger} is of an earlier version; run `nurture send` first")
    return True


def _is_current(connection: duckdb.DuckDBPyConnection, alias: str, migrations: Literal["warehouse", "ledger"]) -> bool:
    try:
        applied = {name for (name,) in connection.execute(f"select name from {alias}.schema_migrations").fetchall()}
    except duckdb.CatalogException:  # a database without any table yet
        return False
    return all(migration.name in applied for migration in (_MIGRATIONS / migrations).glob("*.sql"))


def _within_timeout(path: Path, timeout_seconds: float, attempt: Callable[[], _Result]) -> _Result:
    deadline = time.monotonic() + timeout_seconds
    pause_seconds = 0.01
    while True:
        try:
            return attempt()
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise WarehouseError(f"{path} cannot be opened: {error}") from error
            if time.monotonic() + pause_seconds > deadline:
                raise FileLockedError(
                    f"{path} is held by another process for more than {timeout_seconds:g} s; close what has it open "
                    "(a DuckDB shell, a notebook, another run) or raise NURTURE_LOCK_TIMEOUT_SECONDS"
                ) from error
            time.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, 0.5)
        except duckdb.Error as error:
            raise WarehouseError(f"{path} cannot be opened: {error}") from error


def _migrate(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Apply the migrations of a folder that the file has not seen, each in a transaction of its own."""
    connection.execute("create table if not exists schema_migrations (name varchar primary key)")
    applied = {name for (name,) in connection.execute("select name from schema_migrations").fetchall()}
    for migration in sorted(folder.glob("*.sql")):
        if migration.name in applied:
            continue
        connection.begin()
        try:
            connection.execute(migration.read_text(encoding="utf-8"))
            connection.execute("insert into schema_migrations values (?)", [migration.name])
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


def check_instant(connection: duckdb.DuckDBPyConnection, flow: str, as_of: datetime) -> None:
    """Note the instant a flow computes in this file; refuse to go back behind one already computed.

    Raises:
        InstantError: ``as_of`` lies before the flow's last instant here.
    """
    row = connection.execute("select as_of from instants where flow = ?", [flow]).fetchone()
    if row is not None and as_of < row[0]:
        raise InstantError(
            f"{flow} was already run here as of {row[0].isoformat()}, later than {as_of.isoformat()}; "
            "give an instant at or after it, or replay the past in another home (--home DIR)"
        )
    connection.execute(
        "insert into instants values (?, ?) on conflict (flow) do update set as_of = excluded.as_of", [flow, as_of]
    )
