"""A pull as a whole: nothing is loaded twice, nothing is lost, one failing source stops no other."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

import tasks.pull
from rules.errors import ConfigurationError
from tests.tasks.pulling import START, Pulling
from warehouse.errors import InstantError

HEADER = "cookie,ts,path\n"
COLUMNS = {"visitor": "cookie", "occurred_at": "ts", "url": "path"}
ROW = "v1,2026-04-01 09:00:00,/a\n"


@pytest.fixture
def pulling(tmp_path: Path) -> Pulling:
    return Pulling(tmp_path)


def test_the_same_instant_twice_loads_nothing_twice(pulling: Pulling) -> None:
    path = pulling.file("a.csv", HEADER + ROW)
    pulling.sources(pulling.file_source(path, columns=COLUMNS))
    assert pulling.counts().rows_loaded == 1
    assert pulling.counts().rows_read == 0  # the file is as it was
    assert pulling.rows("select count(*) from events") == [(1,)]


def test_a_changed_file_is_read_again_and_adds_only_what_is_new(pulling: Pulling) -> None:
    path = pulling.file("a.csv", HEADER + ROW + ROW)
    pulling.sources(pulling.file_source(path, columns=COLUMNS))
    assert pulling.counts().rows_loaded == 2
    # a row put in before, and one more like the two that were there
    pulling.file("a.csv", HEADER + "v0,2026-04-01 08:00:00,/z\n" + ROW + ROW + ROW)
    counts = pulling.counts(1)
    assert (counts.rows_read, counts.rows_loaded, counts.rows_known) == (4, 2, 2)
    assert pulling.rows("select rows_loaded, rows_quarantined from files_read") == [(4, 0)]


def test_an_edit_of_one_size_with_its_old_time_is_seen(pulling: Pulling) -> None:
    path = pulling.file("a.csv", HEADER + ROW)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    pulling.sources(pulling.file_source(path, columns=COLUMNS))
    pulling.counts()
    pulling.file("a.csv", HEADER + ROW.replace("/a", "/b"))
    os.utime(path, ns=times)
    assert pulling.counts(1).rows_loaded == 1


def test_quarantine_keeps_each_fault_once(pulling: Pulling) -> None:
    path = pulling.file("a.csv", HEADER + "v1,bad,/a\n")
    pulling.sources(pulling.file_source(path, columns=COLUMNS))
    assert pulling.counts().rows_quarantined == 1
    pulling.file("a.csv", HEADER + ROW + "v1,bad,/a\n")
    assert pulling.counts(1).rows_quarantined == 1
    assert [row[:4] for row in pulling.quarantine()] == [("a.csv", 2, "ts", "bad")]


def test_rotated_logs_load_each_row_once(pulling: Pulling) -> None:
    path = pulling.file("day.csv", HEADER + ROW + ROW)
    pulling.sources(pulling.file_source(pulling.folder / "day*.csv", columns=COLUMNS))
    pulling.counts()
    path.rename(pulling.folder / "day-1.csv")
    pulling.file("day.csv", HEADER + ROW.replace("/a", "/b"))
    counts = pulling.counts(1)
    assert (counts.rows_loaded, counts.rows_known) == (1, 2)


def test_one_failing_source_stops_no_other(pulling: Pulling) -> None:
    good = pulling.file_source(pulling.file("a.csv", HEADER + ROW), columns=COLUMNS)
    gone = pulling.file_source(pulling.folder / "gone.csv", "suppressions", columns={"email": "mail"}, name="opt_outs")
    pulling.sources(gone, good)
    report = pulling.pull()
    assert [failure.source for failure in report.failed] == ["opt_outs"]
    assert "gone.csv does not exist; check 'path'" in str(report.failed[0].error)
    assert report.has_consent_failure
    assert report.sources[1].counts.rows_loaded == 1


def test_a_failing_source_of_events_endangers_no_opt_out(pulling: Pulling) -> None:
    pulling.sources(pulling.file_source(pulling.folder / "*.csv", columns=COLUMNS))
    report = pulling.pull()
    assert "no file matches" in str(report.failed[0].error)
    assert not report.has_consent_failure


def test_an_emptied_folder_is_no_fault_once_it_was_read(pulling: Pulling) -> None:
    path = pulling.file("a.csv", HEADER + ROW)
    pulling.sources(pulling.file_source(pulling.folder / "*.csv", columns=COLUMNS))
    pulling.counts()
    path.unlink()
    assert pulling.counts(1).rows_read == 0


def test_configuration_and_instants_stop_the_pull(pulling: Pulling) -> None:
    with pytest.raises(ConfigurationError, match="the file is missing"):
        pulling.pull()
    pulling.sources()
    assert pulling.pull(1).sources == ()
    with pytest.raises(InstantError):
        pulling.pull(0)


def test_a_crash_between_reading_and_committing_loses_and_doubles_nothing(
    pulling: Pulling, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pulling.file("a.csv", HEADER + ROW)
    pulling.sources(pulling.file_source(path, columns=COLUMNS))
    for step in ("load_rows", "note_files"):
        with monkeypatch.context() as patch:
            patch.setattr(tasks.pull, step, _crash_after(getattr(tasks.pull, step)))
            with pytest.raises(KeyboardInterrupt):
                pulling.pull()
        assert pulling.rows("select count(*) from events") == [(0,)]
        assert pulling.rows("select count(*) from files_read") == [(0,)]
    assert pulling.counts().rows_loaded == 1


def test_a_killed_process_loses_and_doubles_nothing(pulling: Pulling) -> None:
    path = pulling.file("a.csv", HEADER + ROW)
    pulling.sources(pulling.file_source(path, columns=COLUMNS))
    script = (
        "import os, signal, sys; from datetime import datetime; from pathlib import Path;"
        "import tasks.pull; from settings import Settings;"
        "tasks.pull.note_files = lambda *_: os.kill(os.getpid(), signal.SIGKILL);"
        "home, sources, as_of = sys.argv[1:];"
        "settings = Settings(home=Path(home), sources=Path(sources));"
        "tasks.pull.pull_sources(settings, datetime.fromisoformat(as_of), fields=())"
    )
    home, sources = str(pulling.settings.home), str(pulling.settings.sources)
    arguments = [sys.executable, "-c", script, home, sources, START.isoformat()]
    killed = subprocess.run(arguments, check=False, cwd=Path(tasks.pull.__file__).parents[1])
    assert killed.returncode == -signal.SIGKILL
    assert [entry.name for entry in Path(home).iterdir() if not entry.name.startswith("warehouse")] == []
    assert pulling.rows("select count(*) from events") == [(0,)]
    assert pulling.counts().rows_loaded == 1


def _crash_after(function):  # type: ignore[no-untyped-def]
    def crash(*arguments, **options):  # type: ignore[no-untyped-def]
        function(*arguments, **options)
        raise KeyboardInterrupt

    return crash


def test_a_fault_of_ours_is_told_by_its_place_and_not_by_its_data(
    pulling: Pulling, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise ValueError("taro@example.com")

    pulling.sources(pulling.file_source(pulling.file("a.csv", HEADER + ROW), columns=COLUMNS))
    monkeypatch.setattr(tasks.pull, "load_rows", fail)
    error = str(pulling.pull_one().error)
    assert "unexpected ValueError at test_pull.py:" in error
    assert "taro" not in error


def test_progress_is_told(pulling: Pulling) -> None:
    pulling.sources(pulling.file_source(pulling.file("a.csv", HEADER + ROW), columns=COLUMNS))
    told: list[tuple[str, int]] = []
    tasks.pull.pull_sources(pulling.settings, START + timedelta(hours=1), lambda *args: told.append(args), fields=())
    assert told == [("web", 1)]


def test_a_million_rows_are_pulled_in_bounded_memory(pulling: Pulling) -> None:
    path = pulling.folder / "a.parquet"
    duckdb.execute(
        "copy (select range as id, 'visitor ' || range as cookie, timestamp '2026-01-01' + to_seconds(range) as ts,"
        f" '/page/' || range || repeat('x', 400) as path from range(1000000)) to '{path}'"
    )
    pulling.sources(pulling.file_source(path, columns={**COLUMNS, "event_id": "id"}))
    script = (
        "import resource, sys; from datetime import UTC, datetime; from pathlib import Path;"
        "from settings import Settings; from tasks.pull import pull_sources;"
        "settings = Settings(home=Path(sys.argv[1]), sources=Path(sys.argv[2]), memory_limit='300MB');"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024; before = peak();"
        "(report,) = pull_sources(settings, datetime(2026, 4, 1, tzinfo=UTC), fields=()).sources;"
        "print(report.counts.rows_loaded, peak() - before)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(pulling.settings.home), str(pulling.settings.sources)],
        check=True, capture_output=True, text=True, cwd=Path(tasks.pull.__file__).parents[1],
    ).stdout.split()  # fmt: skip
    assert told[0] == "1000000"
    assert int(told[1]) < 450  # megabytes; the rows themselves are well over that


def test_rows_that_are_spooled_need_not_fit_in_memory(pulling: Pulling) -> None:
    path = pulling.folder / "a.csv"
    duckdb.execute(
        "copy (select 'visitor ' || range as cookie, timestamp '2026-01-01' + to_seconds(range) as ts,"
        f" repeat('x', 2000) as path from range(100000)) to '{path}'"
    )
    pulling.sources(pulling.file_source(path, columns=COLUMNS))
    script = (
        "import resource, sys; from datetime import UTC, datetime; from pathlib import Path;"
        "from zoneinfo import ZoneInfo;"
        "from tasks.clients.sources.config import load_sources;"
        "from tasks.clients.sources.reading import Bookmark, read_source;"
        "from tasks.clients.sources.spool import Spool;"
        "(source,) = load_sources(Path(sys.argv[1]), ());"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024; before = peak();"
        "spool = Spool(Path(sys.argv[1]).parent);"
        "read_source(source, Bookmark(), datetime.now(UTC), ZoneInfo('UTC'), b'', spool, lambda _: None);"
        "print(spool.row_count, peak() - before)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(pulling.settings.sources)],
        check=True, capture_output=True, text=True, cwd=Path(tasks.pull.__file__).parents[1],
    ).stdout.split()  # fmt: skip
    assert told[0] == "100000"
    assert int(told[1]) < 300  # megabytes; the rows are twice that, each being spooled with its text


LEADS = "id,mail,business,staff,phase,at\n"
PEOPLE = "1,a@example.com,製造業,30,新規,2026-04-01 09:00:00\n2,b@example.com,IT,many,既存,2026-04-01 10:00:00\n"


def told(pulling: Pulling) -> dict[str, dict[str, str]]:
    """What is known of each lead once its records are laid over one another."""
    known: dict[str, dict[str, str]] = {}
    rows = pulling.rows("select email, attributes from lead_records order by occurred_at, received_at, record_id")
    for email, attributes in rows:
        known.setdefault(email, {}).update(attributes)
    return known


@pytest.mark.parametrize("kind", ["file", "sql"])
def test_a_field_that_is_added_gets_the_values_of_rows_read_before(pulling: Pulling, kind: str) -> None:
    path = pulling.file("leads.csv", LEADS + PEOPLE)
    columns = {"external_id": "id", "email": "mail", "employees": "staff", "occurred_at": "at"}
    if kind == "file":
        source = pulling.file_source(path, into="leads", columns=columns)
    else:
        with sqlite3.connect(pulling.folder / "crm.db") as connection:
            connection.execute("create table people (id, mail, business, staff, phase, at)")
            rows = [line.split(",") for line in PEOPLE.splitlines()]
            connection.executemany("insert into people values (?, ?, ?, ?, ?, ?)", rows)
        query = "select * from people where at >= :since"
        source = {
            "name": "crm", "kind": "sql", "url": f"sqlite:///{pulling.folder}/crm.db", "query": query, "cursor": "at",
            "into": "leads", "timezone": "Asia/Tokyo", "columns": {**columns},
        }  # fmt: skip
    pulling.sources(source)
    assert pulling.counts().rows_loaded == 2
    assert told(pulling) == {"a@example.com": {"employees": "30"}, "b@example.com": {}}
    # the next pull reads nothing twice; one with another field reads all, and loads what says more
    assert pulling.counts(1).rows_loaded == 0
    pulling.sources({**source, "columns": {**columns, "industry": "business"}})
    assert pulling.counts(2).rows_loaded == 2
    assert told(pulling) == {
        "a@example.com": {"employees": "30", "industry": "製造業"},
        "b@example.com": {"industry": "IT"},
    }
    assert pulling.counts(3).rows_loaded == 0
    # so does one whose field takes what it did not take before
    pulling.fields = tuple(
        field.model_copy(update={"type": "text"}) if field.id == "employees" else field for field in pulling.fields
    )
    assert pulling.counts(4).rows_loaded == 1
    assert told(pulling)["b@example.com"] == {"industry": "IT", "employees": "many"}
    assert pulling.counts(5).rows_loaded == 0
