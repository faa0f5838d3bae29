"""Opens the DuckDB files: one writer a file, held for one short transaction.

DuckDB lets a single process write, and a writer shuts out readers. So every use opens the file, waits for it within
bounds, and closes it again; nothing keeps a connection across a network call.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import duckdb
from duckdb.func import SPECIAL

from rules.corporate_numbers import corporate_number
from warehouse.address_hashes import AddressHash
from warehouse.errors import FileLockedError, InstantError, WarehouseError

if TYPE_CHECKING:
    from settings import Settings

_MIGRATIONS = Path(__file__).parent / "migrations"
_MACROS = Path(__file__).parent / "macros.sql"
_Result = TypeVar("_Result")


@contextmanager
def open_warehouse(settings: Settings, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, migrated. A writing connection is one transaction: committed at the end, rolled back on error."""
    with _open(settings, settings.warehouse, "facts", read_only) as connection:
        yield connection


@contextmanager
def open_ledger(
    settings: Settings,
    *,
    read_only: bool = False,
    with_warehouse: bool = False,
    with_functions: bool = False,
    is_brief: bool = False,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The ledger, migrated.

    Args:
        settings: Where it stands.
        read_only: Whether others may read it at the same time.
        with_warehouse: Attach the warehouse read-only as ``warehouse``.
        with_functions: Have our functions and macros, which takes as long as all the rest of opening.
        is_brief: For one of many small commits of a run that has opened it before. It is as safe, and stands in the log
            beside the file until the next use that is not brief.
    """
    if is_brief:
        connection = _connect(settings.ledger, settings)
        try:
            connection.execute("pragma disable_checkpoint_on_shutdown")
            with _transaction(connection):
                yield connection
        finally:
            connection.close()
        return
    if with_warehouse and not settings.warehouse.exists():
        with open_warehouse(settings):
            pass
    attached = settings.warehouse if with_warehouse else None
    with _open(settings, settings.ledger, "ledger", read_only, attached, with_functions=with_functions) as connection:
        yield connection


@contextmanager
def open_replay(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse in memory beside the real one, attached read-only as ``warehouse``: nothing is touched.

    Raises:
        WarehouseError: There is no warehouse, or none in the present form.
    """
    if not settings.warehouse.exists():
        raise WarehouseError(f"there is no warehouse at {settings.warehouse}; run `nurture cycle` first")
    connection = connect(Path(":memory:"), settings)
    try:
        _migrate(connection, _MIGRATIONS / "facts")
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
    migrations: Literal["facts", "ledger"],
    read_only: bool,
    attached: Path | None = None,
    *,
    with_functions: bool = True,
) -> Iterator[duckdb.DuckDBPyConnection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if read_only and not path.exists():
        with _open(settings, path, migrations, read_only=False):
            pass
    connection = _connect(path, settings, read_only=read_only)
    try:
        if with_functions:
            _register_functions(connection, settings)
        if not read_only:
            _migrate(connection, _MIGRATIONS / migrations)
        if attached is not None:
            attach(connection, attached, "warehouse", settings)
            _check_attached(connection, attached)
        with _transaction(connection):
            yield connection
    finally:
        connection.close()


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
    """A plain connection with our settings, waiting for the file within ``lock_timeout_seconds``.

    Raises:
        FileLockedError: Another process held the file all that time.
        WarehouseError: The file cannot be read or made.
    """
    connection = _connect(path, settings, read_only=read_only)
    _register_functions(connection, settings)
    return connection


def _connect(path: Path, settings: Settings, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    connection = _within_timeout(
        path,
        settings.lock_timeout_seconds,
        lambda: duckdb.connect(str(path), read_only=read_only),
    )
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set memory_limit = ?", [settings.memory_limit])
    connection.execute("set enable_progress_bar = false")
    return connection


def _register_functions(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Give SQL what DuckDB lacks: the functions below, and the macros of ``macros.sql``."""
    functions = (
        ("nfkc", _nfkc),
        ("corporate_number", _corporate_number),
        ("address_hash", AddressHash(settings.secret_key)),
    )
    for name, function in functions:
        with suppress(duckdb.NotImplementedException):  # another connection of this process to the file has made it
            connection.create_function(name, function, ["VARCHAR"], "VARCHAR", null_handling=SPECIAL)
    connection.execute(_MACROS.read_text(encoding="utf-8"))


def _nfkc(text: str | None) -> str | None:
    return None if text is None else unicodedata.normalize("NFKC", text)


def _corporate_number(text: str | None) -> str | None:
    return None if text is None else corporate_number(text)


def attach(connection: duckdb.DuckDBPyConnection, path: Path, alias: str, settings: Settings) -> None:
    """Attach another DuckDB file read-only, waiting for it as :func:`connect` does."""
    name = str(path).replace("'", "''")  # ATTACH takes no bound value; the path is a setting
    _within_timeout(
        path,
        settings.lock_timeout_seconds,
        lambda: connection.execute(f"attach '{name}' as {alias} (read_only)"),
    )


def _check_attached(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuse an attached warehouse that an earlier version made and no run has opened since."""
    if not _is_current(connection, "warehouse", "facts"):
        raise WarehouseError(f"{path} is of an earlier version; run `nurture recompute` first")


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


def _is_current(connection: duckdb.DuckDBPyConnection, alias: str, migrations: Literal["facts", "ledger"]) -> bool:
    applied = {name for (name,) in connection.execute(f"select name from {alias}.schema_migrations").fetchall()}
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
