"""Databases read in bulk give the very rows that they give row by row; what cannot be read so is read the other way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tasks.clients.sources.sql
from tasks.clients.sources.bulk_sql import BulkQuery, NotInBulkError, read_in_bulk
from tests.tasks.clients.sources.test_sql import execute
from tests.tasks.pulling import Pulling

COLUMNS = {"occurred_at": "at", "visitor": "cookie", "email": "mail", "event_type": "kind"}
PROPERTIES = (
    "id",
    "amount",
    "score",
    "ratio",
    "small_ratio",
    "is_new",
    "day",
    "at",
    "local",
    "tags",
    "numbers",
    "code",
)
POSTGRESQL = """
create table visits as
select
    md5(number::text)::uuid as id,
    'v' || number %% 7 as cookie,
    case when number %% 3 = 0 then 'Person' || number || '@Example.com ' end as mail,
    (array['page_view', 'mail_open', 'Bad Type', ' page_view'])[1 + number %% 4] as kind,
    timestamptz '2025-01-01 09:00+09' + number * interval '7.25 seconds' as at,
    timestamp '2025-01-01 09:00' + number * interval '1 day' as local,
    (number * 1.25)::numeric(12, 3) as amount,
    nullif(number %% 5, 0)::smallint as score,
    case number %% 4 when 0 then number / 7.0 when 1 then number when 2 then 1e20 else -1e-7 end::float8 as ratio,
    0.1::real as small_ratio,
    number %% 2 = 0 as is_new,
    date '2025-01-01' + number as day,
    array['a', null, number::text] as tags,
    array[number, 2] as numbers,
    'x'::char(3) as code
from generate_series(1, 40) as numbers(number)
union all
select null, 'v', null, 'page_view', timestamptz '2025-01-01 00:00', null, null, null, null, null, null, null, null, null, null
from generate_series(1, 3)
"""
SQLITE = (
    "create table visits (id integer, cookie text, mail text, kind text, at text, amount real, score integer, ratio real)",
    """
    insert into visits
    with recursive numbers(number) as (select 1 union all select number + 1 from numbers where number < 40)
    select
        number, 'v' || number % 7, case when number % 3 = 0 then 'Person' || number || '@Example.com ' end,
        case number % 4 when 0 then 'page_view' when 1 then 'Bad Type' else ' mail_open' end,
        '2025-01-01 09:00:' || substr('0' || number, -2), number * 1.25, nullif(number % 5, 0),
        case number % 4 when 0 then number / 7.0 when 1 then number when 2 then 1e20 when 3 then -1e-7 end
    from numbers
    """,
)


def source(url: str, properties: tuple[str, ...], **options: Any) -> dict[str, Any]:
    columns = {**COLUMNS, **{f"properties.{name}": name for name in properties}}
    base = {"name": "visits", "kind": "sql", "url": url, "into": "events", "query": "select * from visits"}
    return {**base, "columns": columns, **options}


def pulled(folder: Path, monkeypatch: pytest.MonkeyPatch, made: dict[str, Any], *, is_in_bulk: bool) -> list[Any]:
    folder.mkdir()
    pulling = Pulling(folder)
    pulling.sources(made)
    with monkeypatch.context() as patch:
        read: list[bool] = []
        if is_in_bulk:
            patch.setattr(tasks.clients.sources.sql, "read_in_bulk", lambda query: _noting(query, read))
        else:
            patch.setattr(tasks.clients.sources.sql, "is_in_bulk", lambda _url: False)
        report = pulling.pull_one()
    assert report.error is None
    assert bool(read) == is_in_bulk
    quarantined = pulling.rows("select quarantine_id, column_name, value, reason from quarantine order by all")
    return [report.counts, pulling.rows("select * from events order by event_id"), quarantined]


def _noting(query: BulkQuery, read: list[bool]) -> Any:
    for batch in read_in_bulk(query):
        read.append(True)
        yield batch


def test_postgresql_gives_the_same_rows_in_bulk(
    pulling: Pulling, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(postgres_url, POSTGRESQL)
    made = source(postgres_url, PROPERTIES)
    bulk = pulled(pulling.folder / "bulk", monkeypatch, made, is_in_bulk=True)
    assert bulk == pulled(pulling.folder / "rows", monkeypatch, made, is_in_bulk=False)
    assert (bulk[0].rows_loaded, bulk[0].rows_quarantined) == (33, 10)
    assert len(bulk[2]) == 10


def test_sqlite_gives_the_same_rows_in_bulk(pulling: Pulling, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{pulling.folder}/visits.db"
    execute(url, *SQLITE)
    made = source(url, ("id", "amount", "score", "ratio"))
    bulk = pulled(pulling.folder / "bulk", monkeypatch, made, is_in_bulk=True)
    assert bulk == pulled(pulling.folder / "rows", monkeypatch, made, is_in_bulk=False)
    assert (bulk[0].rows_loaded, bulk[0].rows_quarantined) == (30, 10)


@pytest.mark.parametrize("odd", ["'abc'", "2.5", "x'ff00'"])
def test_a_column_of_mixed_types_is_read_row_by_row(pulling: Pulling, odd: str) -> None:
    url = f"sqlite:///{pulling.folder}/visits.db"
    execute(
        url,
        "create table visits (at text, cookie text, score)",
        "insert into visits values ('2025-01-01', 'a', 1)",
        f"insert into visits values ('2025-01-01', 'b', {odd})",
    )
    columns = {"occurred_at": "at", "visitor": "cookie", "properties.score": "score"}
    pulling.sources(source(url, (), columns=columns, constants={"type": "page_view"}))
    assert pulling.counts().rows_loaded == 2
    told = pulling.rows("select properties['score'] from events order by visitor")
    assert told == [("1",), (odd.strip("x'"),)]


def test_a_type_that_arrow_lacks_is_read_row_by_row(pulling: Pulling, postgres_url: str) -> None:
    execute(
        postgres_url,
        "create table visits (at timestamptz, cookie text, extra jsonb, place inet)",
        """insert into visits values ('2025-01-01', 'a', '["x", "y"]', '192.0.2.7')""",
    )
    columns = {"occurred_at": "at", "visitor": "cookie", "properties.extra": "extra", "properties.place": "place"}
    pulling.sources(source(postgres_url, (), columns=columns, constants={"type": "page_view"}))
    assert pulling.counts().rows_loaded == 1
    assert pulling.rows("select properties from events") == [({"extra": "x;y", "place": "192.0.2.7"},)]


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_a_cursor_is_bound_whatever_it_holds(
    pulling: Pulling, postgres_url: str, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    url = postgres_url if database == "postgresql" else f"sqlite:///{pulling.folder}/visits.db"
    hostile = "x'') ; drop table visits; --%s :since ?"
    execute(url, "create table visits (version text, at text, cookie text)")
    insert = "insert into visits values ('{}', '2025-01-01', '{}')"
    execute(url, insert.format(hostile.replace("%", "%%") if database == "postgresql" else hostile, "a"))
    made = source(
        url, (), columns={"occurred_at": "at", "visitor": "cookie"}, constants={"type": "page_view"}, cursor="version",
        start="", query="select * from visits where version >= :since and cookie like '%' -- all; of them\n;",
    )  # fmt: skip
    made["query"] = made["query"].rstrip("\n;")
    monkeypatch.setattr(tasks.clients.sources.sql, "is_in_bulk", _must_be_in_bulk)
    pulling.sources(made)
    assert pulling.counts().rows_loaded == 1
    execute(url, insert.format("y", "b"))
    counts = pulling.counts(1)
    assert (counts.rows_loaded, counts.rows_known) == (1, 1)
    assert pulling.rows("select watermark from watermarks") == [("text:y",)]


def _must_be_in_bulk(url: Any) -> bool:
    assert tasks.clients.sources.bulk_sql.is_in_bulk(url)
    return True


def test_an_error_of_a_driver_tells_only_its_kind(pulling: Pulling) -> None:
    execute(f"sqlite:///{pulling.folder}/visits.db", "create table visits (id integer)")
    url = tasks.clients.sources.sql.sqlalchemy.make_url(f"sqlite:///{pulling.folder}/visits.db")
    query = BulkQuery(url, "select secret from visits", None, None, list)
    with pytest.raises(NotInBulkError) as raised:
        list(read_in_bulk(query))
    assert str(raised.value) == "ProgrammingError"
    assert raised.value.__suppress_context__
