"""How long a million rows take from PostgreSQL and from SQLite, beside the bulk readers that there are.

A bulk reader's part is the shortest way from the same query to the same rows in a temporary table of DuckDB's: it
reads them into Arrow and DuckDB inserts that. Ours is what a pull does up to there: it reads the source as sources.yaml
tells it, notes how far it got, keeps the rows on disk while the warehouse is closed, and brings them into such a table.
What a pull makes of the rows then (cleaning, keys, quarantine, events) is told beside it.

Readers that are not among our dependencies are measured where they are installed::

    pip install connectorx
    python -m benchmarks.pulling --rows 1000000
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.csv
import sqlalchemy

from settings import Settings
from tasks.clients.sources.batches import BATCH_ROWS
from tasks.clients.sources.config import load_sources
from tasks.clients.sources.models import Source
from tasks.clients.sources.reading import Bookmark, SourceReader, read_source
from tasks.clients.sources.spool import Spool
from tasks.pull import pull_sources
from tests.postgres import running_postgres

AS_OF = datetime(2026, 4, 1, tzinfo=UTC)
COLUMNS = ("id", "cookie", "mail", "kind", "path", "at", "amount", "score", "ratio", "is_new")
QUERY = f"select {', '.join(COLUMNS)} from visits"
SOURCES = """\
sources:
  - name: visits
    kind: sql
    url: {url}
    query: {query} where at >= :since
    cursor: at
    into: events
    columns: {{
      event_id: id, visitor: cookie, email: mail, event_type: kind, url: path, properties.amount: amount,
      properties.score: score, properties.ratio: ratio, properties.is_new: is_new}}
"""
MAKE = """
create table visits as
select
    number as id,
    'visitor' || number as cookie,
    case when number % 3 = 0 then 'person' || number % 100000 || '@example.com' end as mail,
    (array['page_view', 'document_download', 'mail_open'])[1 + number % 3] as kind,
    '/path/' || number % 5000 as path,
    timestamptz '2025-01-01' + number * interval '7 seconds' as at,
    case when number % 4 = 0 then number % 1000 * 1.25 end::numeric(10, 2) as amount,
    number % 100 as score,
    number / 7.0::float8 as ratio,
    number % 2 = 0 as is_new
from generate_series(1, {rows}) as numbers(number)
"""

Read = Callable[[], pa.Table | pa.RecordBatchReader]


@dataclass
class Comparison:
    """What was measured of one database: seconds of each reader, in the order of runs; ours is ``pull``."""

    database: str
    rows: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    whole_pull: float = 0.0

    def median(self, reader: str) -> float:
        """The median of a reader's runs."""
        return statistics.median(self.seconds[reader])

    @property
    def fastest(self) -> str:
        """The fastest bulk reader."""
        return min(
            (reader for reader in self.seconds if reader != "pull" and "row by row" not in reader), key=self.median
        )

    @property
    def ratio(self) -> float:
        """Ours against the fastest."""
        return self.median("pull") / self.median(self.fastest)


def measure_pulling(rows: int = 1_000_000, runs: int = 3) -> tuple[Comparison, Comparison]:
    """Measure PostgreSQL and SQLite, the readers of each in turn, so many times."""
    with tempfile.TemporaryDirectory() as name, running_postgres() as url:
        folder = Path(name)
        _fill_postgresql(url, rows)
        postgresql = _compare("PostgreSQL", url, rows, runs, folder / "postgresql", _postgresql_readers(url))
        sqlite = folder / "visits.db"
        _copy_to_sqlite(url, sqlite)
        return postgresql, _compare(
            "SQLite", f"sqlite:///{sqlite}", rows, runs, folder / "sqlite", _sqlite_readers(sqlite)
        )


def _compare(
    database: str, url: str, rows: int, runs: int, folder: Path, readers: dict[str, Callable[[Path], int] | None]
) -> Comparison:
    folder.mkdir()
    settings = Settings(home=folder / "home", sources=folder / "sources.yaml")
    settings.sources.write_text(SOURCES.format(url=url, query=QUERY), encoding="utf-8")
    (source,) = load_sources(settings.sources, ())
    comparison = Comparison(database, rows, missing=[name for name, read in readers.items() if read is None])
    measured = {name: read for name, read in readers.items() if read is not None}
    measured["pull"] = lambda file: _pull_into(source, file)
    measured["SQLAlchemy, row by row"] = lambda file: _pull_into(source, file, is_in_bulk=False)
    for run in range(runs):
        for name, read in list(measured.items())[:: -1 if run % 2 else 1]:
            if "row by row" in name and run:
                continue  # it is many times slower
            file = folder / "copy.duckdb"
            started = time.perf_counter()
            count = read(file)
            comparison.seconds.setdefault(name, []).append(time.perf_counter() - started)
            assert count == rows, (name, count)
            file.unlink()
    (report,) = pull_sources(settings, AS_OF, fields=()).sources
    assert report.counts.rows_loaded == rows, report
    comparison.whole_pull = report.seconds
    return comparison


def _pull_into(source: Source, file: Path, *, is_in_bulk: bool = True) -> int:
    """What a pull does until the rows stand in a table."""
    zone = ZoneInfo("Asia/Tokyo")
    with Spool(file.parent) as spool:
        if is_in_bulk:
            read_source(source, Bookmark(), AS_OF, zone, b"", spool, lambda _: None)
        else:
            for batch in SourceReader(source, Bookmark(), AS_OF, zone, b"", is_in_bulk=False).batches():
                spool.write(batch)
        return _insert(file, spool.rows().table)


def _insert(file: Path, rows: Any) -> int:
    """Insert Arrow rows into a table of DuckDB's such as a load begins with; return how many there are."""
    with duckdb.connect(file) as connection:
        connection.execute("set enable_progress_bar = false")
        connection.register("arrow_rows", rows)
        connection.execute("create temp table copied as select * from arrow_rows")
        row = connection.execute("select count(*) from copied").fetchone()
        assert row is not None
        return int(row[0])


def _postgresql_readers(url: str) -> dict[str, Callable[[Path], int] | None]:
    import psycopg

    host = sqlalchemy.make_url(url).query["host"]
    server = psycopg.conninfo.make_conninfo(host=str(host), user="postgres", dbname="postgres")

    def adbc(file: Path) -> int:
        import adbc_driver_postgresql.dbapi

        with adbc_driver_postgresql.dbapi.connect(server) as connection, connection.cursor() as cursor:
            cursor.execute(QUERY)
            return _insert(file, cursor.fetch_record_batch())

    def connectorx(file: Path) -> int:
        import connectorx

        place = f"postgresql://postgres@localhost/postgres?host={host}"
        return _insert(file, connectorx.read_sql(place, QUERY, return_type="arrow"))

    def copy_as_csv(file: Path) -> int:
        with (
            psycopg.connect(server) as connection,
            connection.cursor() as cursor,
            tempfile.TemporaryFile(dir=file.parent) as spool,
        ):
            with cursor.copy(f"copy ({QUERY}) to stdout (format csv)".encode()) as copy:
                for part in copy:
                    spool.write(part)
            spool.seek(0)
            options = pa.csv.ReadOptions(column_names=COLUMNS, block_size=1 << 22)
            nulls = pa.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""])
            return _insert(file, pa.csv.open_csv(spool, read_options=options, convert_options=nulls))

    return {"ADBC": adbc, "connectorx": connectorx if find_spec("connectorx") else None, "COPY as CSV": copy_as_csv}


def _sqlite_readers(database: Path) -> dict[str, Callable[[Path], int] | None]:
    def adbc(file: Path) -> int:
        import adbc_driver_sqlite.dbapi

        with adbc_driver_sqlite.dbapi.connect(str(database)) as connection, connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)})
            cursor.execute(QUERY)
            return _insert(file, cursor.fetch_record_batch())

    def connectorx(file: Path) -> int:
        import connectorx

        return _insert(file, connectorx.read_sql(f"sqlite://{database}", QUERY, return_type="arrow"))

    def standard_library(file: Path) -> int:
        def batches() -> Iterator[pa.RecordBatch]:
            while rows := cursor.fetchmany(BATCH_ROWS):
                values = zip(*rows, strict=True)
                yield pa.RecordBatch.from_arrays(
                    [pa.array(column, type_) for column, type_ in zip(values, schema.types, strict=True)], schema=schema
                )

        schema = pa.schema(list(zip(COLUMNS, _SQLITE_TYPES, strict=True)))
        connection = sqlite3.connect(database, check_same_thread=False)  # DuckDB reads in threads of its own
        try:
            cursor = connection.execute(QUERY)
            return _insert(file, pa.RecordBatchReader.from_batches(schema, batches()))
        finally:
            connection.close()

    return {
        "ADBC": adbc,
        "connectorx": connectorx if find_spec("connectorx") else None,
        "sqlite3 to Arrow": standard_library,
    }


_SQLITE_TYPES = (
    pa.int64(), pa.string(), pa.string(), pa.string(), pa.string(), pa.string(), pa.float64(), pa.int64(),
    pa.float64(), pa.int64(),
)  # fmt: skip


@contextmanager
def _connected(url: str) -> Iterator[sqlalchemy.Connection]:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def _fill_postgresql(url: str, rows: int) -> None:
    with _connected(url) as connection:
        connection.execute(sqlalchemy.text(MAKE.format(rows=rows)))
        connection.exec_driver_sql("analyze visits")


def _copy_to_sqlite(url: str, database: Path) -> None:
    as_sqlite = (
        "select id, cookie, mail, kind, path, to_char(at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'), amount::float8, "
        "score, ratio, is_new::int from visits order by id"
    )
    copy = sqlite3.connect(database)
    types = "id integer, cookie text, mail text, kind text, path text, at text, amount real, score integer, ratio real"
    copy.execute(f"create table visits ({types}, is_new integer)")
    with _connected(url) as connection:
        result = connection.execution_options(stream_results=True).exec_driver_sql(as_sqlite)
        for part in result.partitions(BATCH_ROWS):
            copy.executemany(f"insert into visits values ({', '.join('?' * len(COLUMNS))})", list(map(tuple, part)))
    copy.commit()
    copy.close()


def main() -> None:
    """Measure, and print what each reader took."""
    parser = argparse.ArgumentParser(description="Pull rows from PostgreSQL and SQLite, beside bulk readers.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    for comparison in measure_pulling(options.rows, options.runs):
        print(f"{comparison.database}, {comparison.rows:,} rows of {len(COLUMNS)} columns; seconds, the median of runs")
        for reader in sorted(comparison.seconds, key=comparison.median):
            print(f"  {reader:24s} {comparison.median(reader):6.2f}")
        for reader in comparison.missing:
            print(f"  {reader:24s} not installed")
        print(f"  pull / {comparison.fastest}: {comparison.ratio:.2f}")
        print(f"  the whole pull, with the rows loaded into events: {comparison.whole_pull:.2f}")


if __name__ == "__main__":
    main()
