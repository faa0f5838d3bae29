"""DuckDB itself, with our functions, to which files are attached.

To make an instance takes longer than most of what a step then asks of a file. So a process keeps one for each file it
uses, in memory; the file is attached to it for one use and detached after it, and others may have it in between.
"""

from __future__ import annotations

import atexit
import os
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import pyarrow.compute as pc
from duckdb.func import SPECIAL, PythonUDFType

from rules.corporate_numbers import corporate_number
from warehouse.address_hashes import AddressHash
from warehouse.errors import FileLockedError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from settings import Settings

_MACROS = tuple(Path(__file__).parent / name for name in ("macros.sql", "load_macros.sql"))
_MOST_KEPT = 4


def make_instance(settings: Settings, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """An instance in memory, whose database ``memory`` holds our functions and macros.

    Args:
        settings: Whose secret key hashes addresses.
        spill: The folder for what does not fit in memory.
    """
    connection = duckdb.connect(":memory:", config={"temp_directory": str(spill)} if spill else {})
    for name, function in (
        ("nfkc", _nfkc),
        ("corporate_number", _corporate_number),
        ("address_hash", AddressHash(settings.secret_key)),
    ):
        connection.create_function(name, function, ["VARCHAR"], "VARCHAR", null_handling=SPECIAL)
    connection.create_function("load_nfkc", _nfkc_of_many, ["VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW)
    for macros in _MACROS:
        connection.execute(macros.read_text(encoding="utf-8"))
    return connection


class _Kept(NamedTuple):
    path: Path
    secret_key: SecretStr | None
    instance: duckdb.DuckDBPyConnection


_kept: list[_Kept] = []
"""The instances that are not in use; the one used last stands last."""
_in_use: set[Path] = set()
_changed = threading.Condition()
_of_parents: list[_Kept] = []


@contextmanager
def borrow(path: Path, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the instance kept for a file, to which the file is yet to be attached.

    It has nothing of an earlier use: no temporary table, no variable, no setting of its own. What is attached is
    detached at the end. Threads take turns, since the locks of files are between processes only.

    Raises:
        FileLockedError: Another thread had the file for longer than ``lock_timeout_seconds``.
    """
    with _changed:
        if not _changed.wait_for(lambda: path not in _in_use, settings.lock_timeout_seconds):
            raise FileLockedError(
                f"{path} is in use by another thread for more than {settings.lock_timeout_seconds:g} s; "
                "let it end first, or raise NURTURE_LOCK_TIMEOUT_SECONDS"
            )
        _in_use.add(path)
    try:
        instance = _take(path, settings)
        try:
            connection = instance.cursor()
            try:
                yield connection
            finally:
                connection.close()
            _detach_all(instance)
        except BaseException:
            instance.close()
            raise
        _keep(_Kept(path, settings.secret_key, instance))
    finally:
        with _changed:
            _in_use.discard(path)
            _changed.notify_all()


def _take(path: Path, settings: Settings) -> duckdb.DuckDBPyConnection:
    with _changed:
        kept = next((one for one in _kept if one.path == path), None)
        if kept is not None:
            _kept.remove(kept)
    if kept is not None and kept.secret_key == settings.secret_key:
        return kept.instance
    return make_instance(settings, spill_of(path))


def _keep(kept: _Kept) -> None:
    """Keep an instance, unless it has put on disk what did not fit in memory: the next to do so may be a process."""
    if spill_of(kept.path).exists():
        kept.instance.close()
        return
    with _changed:
        _kept.append(kept)
        least = _kept.pop(0) if len(_kept) > _MOST_KEPT else None
    if least is not None:
        least.instance.close()


def _detach_all(instance: duckdb.DuckDBPyConnection) -> None:
    attached = instance.execute(
        "select database_name from duckdb_databases() where not internal and database_name != 'memory'"
    ).fetchall()
    for (name,) in attached:
        instance.execute(f"detach {name}")


def spill_of(path: Path) -> Path:
    """The folder for what does not fit in memory, as DuckDB itself would name it."""
    return path.with_name(f"{path.name}.tmp")


def _forget() -> None:
    """In a forked child an instance has no threads: it can be neither used nor closed."""
    global _changed
    _of_parents.extend(_kept)
    _kept.clear()
    _in_use.clear()
    _changed = threading.Condition()


def _close_all() -> None:
    for kept in _kept:
        kept.instance.close()
    _kept.clear()


os.register_at_fork(after_in_child=_forget)
atexit.register(_close_all)


def _nfkc(text: str | None) -> str | None:
    return None if text is None else unicodedata.normalize("NFKC", text)


def _nfkc_of_many(texts: Any) -> Any:
    return pc.utf8_normalize(texts, "NFKC")


def _corporate_number(text: str | None) -> str | None:
    return None if text is None else corporate_number(text)
