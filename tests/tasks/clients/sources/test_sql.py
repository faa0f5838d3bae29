"""Databases: types, watermark and late commits in SQLite and in a real PostgreSQL, and what a dead one says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy

from tests.tasks.pulling import Pulling

QUERY = "select * from contacts where updated_at >= :since"
COLUMNS = {"email": "mail", "external_id": "id", "name": "full_name", "employees": "size", "is_customer": "customer"}


def source(url: str, **options: Any) -> dict[str, Any]:
    base = {"name": "crm", "kind": "sql", "url": url, "into": "leads", "timezone": "Asia/Tokyo"}
    return {**base, "query": QUERY, "cursor": "updated_at", "columns": COLUMNS, **options}


def execute(url: str, *statements: str) -> None:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture
def sqlite(pulling: Pulling) -> str:
    url = f"sqlite:///{pulling.folder}/crm.db"
    execute(
        url,
        "create table contacts (id integer, mail text, full_name text, size real, customer boolean, updated_at text)",
        "insert into contacts values (1, 'Taro@Example.com', '山田', 10, 1, '2026-04-01 08:00:00')",
    )
    return url


def test_sqlite_watermark_and_late_commits(pulling: Pulling, sqlite: str) -> None:
    pulling.sources(source(sqlite, lookback="10m"))
    assert pulling.counts().rows_loaded == 1
    assert pulling.rows("select email, external_id, attributes, occurred_at from lead_records") == [
        (
            "taro@example.com",
            "crm:1",
            {"name": "山田", "employees": "10", "is_customer": "true"},
            datetime(2026, 3, 31, 23, 0, tzinfo=UTC),
        )
    ]
    assert pulling.rows("select watermark from watermarks") == [("text:2026-04-01 08:00:00",)]
    # committed after the first pull, but stamped before its watermark: within the lookback, and beyond it
    execute(
        sqlite,
        "insert into contacts values (2, 'late@example.com', 'a', 1, 0, '2026-04-01 07:50:00')",
        "insert into contacts values (3, 'too-late@example.com', 'a', 1, 0, '2026-04-01 07:49:59')",
        "insert into contacts values (4, 'new@example.com', 'a', 1, 0, '2026-04-01 08:30:00')",
    )
    counts = pulling.counts(1)
    assert (counts.rows_read, counts.rows_loaded, counts.rows_known) == (3, 2, 1)
    assert pulling.rows("select watermark from watermarks") == [("text:2026-04-01 08:30:00",)]
    assert pulling.counts(2).rows_loaded == 0


def test_a_row_dated_in_the_future_does_not_end_all_reading(pulling: Pulling, sqlite: str) -> None:
    execute(sqlite, "insert into contacts values (9, 'x@example.com', 'a', 1, 0, '2999-01-01 00:00:00')")
    pulling.sources(source(sqlite))
    assert pulling.counts().rows_loaded == 2
    assert pulling.rows("select watermark from watermarks") == [("text:2026-04-01 09:00:00",)]
    execute(sqlite, "insert into contacts values (10, 'y@example.com', 'a', 1, 0, '2026-04-01 09:30:00')")
    assert pulling.counts(1).rows_loaded == 1


def test_numeric_cursors(pulling: Pulling) -> None:
    url = f"sqlite:///{pulling.folder}/crm.db"
    execute(
        url, "create table views (id integer, at text, cookie text)", "insert into views values (1, '2026-04-01', 'a')"
    )
    events = {
        "name": "crm", "kind": "sql", "url": url, "into": "events", "query": "select * from views where id >= :since",
        "cursor": "id", "start": 0, "lookback": 5, "constants": {"type": "page_view"},
        "columns": {"event_id": "id", "occurred_at": "at", "visitor": "cookie"},
    }  # fmt: skip
    pulling.sources(events)
    assert pulling.counts().rows_loaded == 1
    execute(url, "insert into views values (4, '2026-04-01', 'b')", "insert into views values (2, '2026-04-01', 'c')")
    assert pulling.counts(1).rows_loaded == 2
    assert pulling.rows("select watermark from watermarks") == [("number:4",)]


def test_without_a_cursor_everything_is_read_and_known_rows_stay(pulling: Pulling, sqlite: str) -> None:
    columns = {**COLUMNS, "occurred_at": "updated_at"}
    whole = source(sqlite, query="select * from contacts", columns=columns)
    del whole["cursor"]
    pulling.sources(whole)
    assert pulling.counts().rows_loaded == 1
    assert pulling.counts(1).rows_known == 1


def test_identical_rows_without_an_id_all_count(pulling: Pulling) -> None:
    url = f"sqlite:///{pulling.folder}/crm.db"
    execute(url, "create table views (at text, cookie text)", *["insert into views values ('2026-04-01', 'a')"] * 3)
    events = {
        "name": "crm", "kind": "sql", "url": url, "into": "events", "query": "select * from views",
        "constants": {"type": "page_view"}, "columns": {"occurred_at": "at", "visitor": "cookie"},
    }  # fmt: skip
    pulling.sources(events)
    assert pulling.counts().rows_loaded == 3
    execute(url, "insert into views values ('2026-04-01', 'a')")
    counts = pulling.counts(1)
    assert (counts.rows_loaded, counts.rows_known) == (1, 3)


@pytest.mark.parametrize("stamp_type", ["timestamptz", "timestamp", "date"])
def test_postgresql(pulling: Pulling, postgres_url: str, stamp_type: str) -> None:
    execute(
        postgres_url,
        f"create table contacts (id uuid, mail text, full_name text, size numeric(10, 2), customer boolean,"
        f" updated_at {stamp_type}, extra jsonb)",
        "set time zone 'Asia/Tokyo'; insert into contacts values ('00000000-0000-0000-0000-000000000001',"
        " 'taro@example.com', '山田', 10.50, true, '2026-04-01 08:00:00', '{\"a\": [1, 2]}')",
    )
    pulling.sources(source(postgres_url.replace("+psycopg", ""), lookback="30m"))
    assert pulling.counts().rows_loaded == 1
    ((external_id, attributes, occurred_at),) = pulling.rows(
        "select external_id, attributes, occurred_at from lead_records"
    )
    assert external_id == "crm:00000000-0000-0000-0000-000000000001"
    assert attributes == {"name": "山田", "employees": "10.50", "is_customer": "true"}
    local = datetime(2026, 4, 1, 8 if stamp_type != "date" else 0, tzinfo=UTC) - timedelta(hours=9)
    assert occurred_at == local
    late = "insert into contacts values (gen_random_uuid(), 'late@example.com', 'a', 1, false, '2026-04-01 07:40:00')"
    execute(postgres_url, f"set time zone 'Asia/Tokyo'; {late}")
    counts = pulling.counts(1)
    assert (counts.rows_loaded, counts.rows_known) == (1, 1)


def test_rows_committed_while_another_transaction_lags(pulling: Pulling, postgres_url: str) -> None:
    execute(
        postgres_url,
        "create table contacts (id int, mail text, full_name text, size int, customer boolean, updated_at timestamptz)",
    )
    pulling.sources(source(postgres_url, lookback="10m"))
    insert = "insert into contacts values ({}, '{}@example.com', 'a', 1, true, '2026-03-31 23:{}:00+00')"
    engine = sqlalchemy.create_engine(postgres_url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as slow:
        slow.exec_driver_sql(insert.format(1, "slow", "00"))  # stamped first, committed last
        execute(postgres_url, insert.format(2, "quick", "05"))
        assert pulling.counts().rows_loaded == 1
        slow.commit()
    assert pulling.counts(1).rows_loaded == 1
    assert pulling.rows("select count(*) from lead_records") == [(2,)]


def test_a_database_that_is_down_is_told_without_its_credentials(pulling: Pulling) -> None:
    url = "postgresql://reader:hunter2@127.0.0.1:1/crm?application_name=topsecret"
    pulling.sources(source(url))
    error = str(pulling.pull_one().error)
    assert error.startswith("source crm: the database did not answer the query")
    assert "check that it is up" in error
    for secret in ("hunter2", "reader", "topsecret"):
        assert secret not in error


def test_what_else_a_database_may_lack(pulling: Pulling, sqlite: str) -> None:
    pulling.sources(source(sqlite.replace("crm.db", "none.db")))
    assert "the SQLite file does not exist" in str(pulling.pull_one().error)
    assert not (pulling.folder / "none.db").exists()
    pulling.sources(source(sqlite, query="select * from contracts where updated_at >= :since"))
    assert "no such table: contracts" in str(pulling.pull_one(1).error)
    pulling.sources(source(sqlite, columns={**COLUMNS, "company": "compny"}))
    assert "the query gives no column 'compny'" in str(pulling.pull_one(2).error)
    pulling.sources(source("nosuchdb://x/y"))
    assert "no driver is installed for nosuchdb" in str(pulling.pull_one(3).error)
    assert pulling.rows("select count(*) from lead_records") == [(0,)]
    assert pulling.rows("select count(*) from watermarks") == [(0,)]
