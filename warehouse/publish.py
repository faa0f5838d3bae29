"""Builds the analysts' file and puts it in place at once.

It is written beside the one in use and then takes its name: whoever reads the old one goes on reading it, and no query
of theirs holds up a run.
"""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from warehouse.connection import attach, attach_current, connect
from warehouse.derivation import Progress
from warehouse.parquet_copy import put_parquet
from warehouse.publication import Publication

if TYPE_CHECKING:
    from settings import Settings


def publish(settings: Settings, as_of: datetime, on_progress: Progress = lambda _: None) -> Path:
    """Bring every published table to ``as_of`` and replace the published file.

    What has not changed is taken over from the file before. Where that does not do (there is none, another version or
    other rules made it, its time is later, facts were erased), all is built anew.

    Args:
        settings: Where the files stand.
        as_of: The instant.
        on_progress: Told what is being made.

    Returns:
        The published file.
    """
    target = settings.published
    target.parent.mkdir(parents=True, exist_ok=True)
    _clear_up(target)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if not _publish_into(fresh, settings, as_of, on_progress, is_anew=False):
            _publish_into(fresh, settings, as_of, on_progress, is_anew=True)
        on_progress("onto the disk")
        _make_durable(fresh)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return target


def _publish_into(fresh: Path, settings: Settings, as_of: datetime, report: Progress, *, is_anew: bool) -> bool:
    """Build a file, from the one before unless all is to be made anew. Whether that could be done."""
    fresh.unlink(missing_ok=True)
    connection = connect(Path(":memory:"), settings)
    try:
        attach_current(connection, settings, "warehouse")
        attach_current(connection, settings, "ledger")
        has_before = _attach_before(connection, settings.published)
        publication = Publication(connection, settings, as_of, has_before=has_before, report=report)
        if not is_anew:
            if not publication.can_renew():
                return False
            report("a copy of the file before")
            shutil.copyfile(settings.published, fresh)
        # it gets its name once it is whole and on the disk: a log beside it, or waiting for the disk before, is idle
        connection.execute("set fsync_mode = 'none'")
        attach(connection, fresh, "fresh", settings, read_only=False, has_log=False)
        connection.execute("set search_path = 'fresh.main,memory.main'")
        connection.execute("set checkpoint_threshold = '1TB'")  # when we say so, and when the file is closed
        if is_anew:
            publication.build()
        elif not publication.renew():
            return False
        report("closing the file")
        connection.execute("checkpoint fresh")  # which tells of a full disk; closing would not
        report("Parquet")
        put_parquet(connection, settings.published)
    finally:
        report("closing the file")
        connection.close()
    return True


def _attach_before(connection: duckdb.DuckDBPyConnection, published: Path) -> bool:
    """Attach the file in use as ``before``. Whether it can be read: nobody is waited for."""
    if not published.exists():
        return False
    name = str(published).replace("'", "''")  # ATTACH takes no bound value; the path is a setting
    try:
        connection.execute(f"attach '{name}' as before (read_only)")
    except duckdb.Error:
        return False
    return True


def _clear_up(target: Path) -> None:
    """Remove what publications have left that were killed: each is as large as the file itself."""
    for left in target.parent.glob(f".{target.name}.*"):
        process = left.name.removeprefix(f".{target.name}.").partition(".")[0]
        if process.isdecimal() and not _is_running(int(process)):
            left.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _make_durable(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
