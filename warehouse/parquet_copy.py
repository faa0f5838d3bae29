"""Puts the published tables beside the published file as Parquet, for tools that read no DuckDB."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import duckdb


def put_parquet(connection: duckdb.DuckDBPyConnection, published: Path) -> Path:
    """Write each table to ``{name}_parquet/{table}.parquet`` beside the published file; all are replaced at once.

    The folder is a link to one that never changes. The one before stays until the next time, for whoever is reading it.

    Args:
        connection: A connection whose tables are those to be published.
        published: The published file.

    Returns:
        The folder.
    """
    folder = published.with_name(f"{published.stem}_parquet")
    before = folder.readlink().name if folder.is_symlink() else None
    fresh = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    fresh.mkdir()
    try:
        for (table,) in connection.execute(
            "select table_name from duckdb_tables() where database_name = current_database() and not internal"
        ).fetchall():
            path = str(fresh / f"{table}.parquet").replace("'", "''")  # COPY takes no bound value; names are ours
            connection.execute(f"copy {table} to '{path}' (format parquet, compression zstd)")
        link = fresh.with_suffix(".link")
        link.symlink_to(fresh.name)
        link.replace(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    for old in folder.parent.glob(f".{folder.name}-*"):
        if old.name not in {before, fresh.name}:
            shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
    return folder
