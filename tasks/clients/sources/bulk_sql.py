"""Reads PostgreSQL and SQLite in bulk, by their ADBC drivers: whole columns as Arrow, in bounded batches.

What cannot be read so, for whatever reason, is read row by row: that is slower, takes every type, and tells its errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import pyarrow as pa
import sqlalchemy

from tasks.clients.sources.watermarks import Cursor

NeededColumns = Callable[[list[str]], list[str]]
"""Tells which of a result's columns are needed."""

_SQLITE_BATCH_ROWS = 20_000
_AS_THEY_ARE = frozenset({
    16, 20, 21, 23, 700, 701,  # bool, bigint, smallint, integer, real, double precision
    19, 25, 1042, 1043,  # name, text, char, varchar
    1082, 1114, 1184,  # date, timestamp, timestamptz
    1005, 1007, 1016, 1009, 1015,  # arrays of integers and of texts
})  # fmt: skip
"""PostgreSQL's numbers of the types that Arrow has too."""
_AS_TEXT = frozenset({1700, 2950})
"""Of those whose text is the same here and there: numeric, uuid. Others (JSON, above all) are read row by row."""
_CURSORS = frozenset({20, 21, 23, 25, 1043, 1082, 1114, 1184})


class NotInBulkError(Exception):
    """This source cannot be read in bulk; its rows are to be read one by one, from the beginning."""


@dataclass(frozen=True)
class BulkQuery:
    """What to read: a query in SQLAlchemy's notation, what to bind, and which columns are needed of its result."""

    url: sqlalchemy.URL
    text: str
    since: Cursor | None
    cursor: str | None
    needed: NeededColumns


def is_in_bulk(url: sqlalchemy.URL) -> bool:
    """Whether a database is one of the two, and its driver is installed."""
    if url.drivername == "postgresql+psycopg":
        return find_spec("adbc_driver_postgresql") is not None and find_spec("psycopg") is not None
    is_plain_file = url.database not in {None, "", ":memory:"} and not str(url.database).startswith("file:")
    return url.drivername in {"sqlite", "sqlite+pysqlite"} and is_plain_file and not url.query


def read_in_bulk(query: BulkQuery) -> Iterator[pa.RecordBatch]:
    """Yield the needed columns of a query's result under their own names.

    Raises:
        NotInBulkError: Anything at all went wrong; what was yielded is worth nothing.
    """
    read = _read_sqlite if query.url.get_backend_name() == "sqlite" else _read_postgresql
    try:
        for batch in read(query):
            batch.validate(full=True)  # SQLite takes any bytes for text
            yield batch
    except Exception as error:  # noqa: BLE001  a driver's message may hold rows or credentials: it goes no further
        raise NotInBulkError(type(error).__name__) from None


def _read_sqlite(query: BulkQuery) -> Iterator[pa.RecordBatch]:
    import adbc_driver_sqlite.dbapi  # loads a library, which a source of files does without

    compiled = sqlalchemy.text(query.text).compile(dialect=query.url.get_dialect()())
    values = [query.since for _ in getattr(compiled, "positiontup", None) or ()]
    with adbc_driver_sqlite.dbapi.connect(str(query.url.database)) as connection, connection.cursor() as cursor:
        # a column's type is that of its first rows; a later value that does not fit it is an error, not a guess
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(_SQLITE_BATCH_ROWS)})
        cursor.execute(str(compiled), values or None)
        result = cursor.fetch_record_batch()
        needed = query.needed(_distinct(result.schema.names))
        for batch in result:
            yield batch.select(needed)


def _read_postgresql(query: BulkQuery) -> Iterator[pa.RecordBatch]:
    import adbc_driver_postgresql.dbapi
    import psycopg

    dialect = query.url.get_dialect()()
    _, options = dialect.create_connect_args(query.url)
    server = psycopg.conninfo.make_conninfo(**{"connect_timeout": 10, **options})
    names, statement = _postgresql_statement(query, server, str(sqlalchemy.text(query.text).compile(dialect=dialect)))
    with adbc_driver_postgresql.dbapi.connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("set transaction read only")
        cursor.execute(statement)
        for batch in cursor.fetch_record_batch():
            yield pa.RecordBatch.from_arrays(batch.columns, names=names)


def _postgresql_statement(query: BulkQuery, server: str, text: str) -> tuple[list[str], str]:
    """Return the needed columns, and the statement that gives them in types that Arrow has.

    Results are copied out, and COPY takes no bound values; so psycopg quotes the one there is.
    """
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        cursor = psycopg.ClientCursor(connection)
        bound = cursor.mogrify(text.encode(), {"since": query.since}).strip().rstrip(";")
        cursor.execute(f"select * from (\n{bound}\n) as pulled limit 0".encode())
        described = {column.name: column.type_code for column in cursor.description or ()}
        names = _distinct([column.name for column in cursor.description or ()])
    needed = query.needed(names)
    if query.cursor is not None and described[query.cursor] not in _CURSORS:
        raise NotInBulkError("cursor")
    columns = []
    for name in needed:
        position = names.index(name)
        if described[name] not in _AS_THEY_ARE | _AS_TEXT:
            raise NotInBulkError("type")
        columns.append(f"c{position}::text" if described[name] in _AS_TEXT else f"c{position}")
    aliases = ", ".join(f"c{position}" for position in range(len(names)))
    return needed, f"select {', '.join(columns)} from (\n{bound}\n) as pulled ({aliases})"


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise NotInBulkError("names")
    return names
