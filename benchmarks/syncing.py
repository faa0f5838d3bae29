"""How long it takes to bring many changed leads into an SFA that is a SQL database.

Every lead has got another name and has looked at a page since the last sync, so its score, last action and reasons have
changed, too. Ours compares, writes, and notes what both sides agree on; the floor upserts the rows of the same table,
which are ready in memory, by one prepared statement. Each run is a process of its own::

    python -m benchmarks.syncing --leads 100000
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from rules.loader import load_rules
from settings import Settings
from tasks.clients.sfa.sql import make_tables
from tasks.sfa_sync import sync_sfa
from tests.postgres import running_postgres
from warehouse.connection import check_instant, open_warehouse
from warehouse.recompute import recompute

BEFORE = datetime(2026, 4, 10, 1, tzinfo=UTC)
AS_OF = BEFORE + timedelta(days=1)
PAGE = 1_000
DATABASES = ("sqlite", "postgresql")
_LEADS = """
insert into lead_records by name
select
    md5(concat($name, i)) as record_id, 'crm' as source, concat('lead', i, '@example.com') as email,
    $at as occurred_at, $at as received_at,
    map {'name': concat($name, i), 'company': concat('株式会社', i), 'title': '営業部長'} as attributes
from range($leads) as leads(i)
"""
_VIEWS = """
insert into events by name
select
    md5(concat('view', $name, i))::uuid as event_id, 'web' as source, 'page_view' as event_type, $at as occurred_at,
    $at as received_at, concat('lead', i, '@example.com') as email, '/price' as url,
    map {}::map(varchar, varchar) as properties
from range($leads) as leads(i)
"""


@dataclass(frozen=True)
class Syncing:
    """One run: its seconds, the most memory it held in bytes, and how many leads it wrote."""

    database: str
    who: str
    seconds: float
    peak_bytes: int
    leads: int


def measure_syncing(leads: int) -> list[Syncing]:
    """Measure both databases, the floor first."""
    found = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(running_postgres())
        _prepare(folder / "home", leads)
        for database in DATABASES:
            url = server if database == "postgresql" else f"sqlite:///{folder / 'sfa.db'}"
            home = folder / database
            shutil.copytree(folder / "home", home)
            _run("fill", database, url, home)
            _change(home, leads)
            ours = _run("ours", database, url, home)
            found += [_run("floor", database, url, home), ours]
    return found


def _prepare(home: Path, leads: int) -> None:
    _add(home, leads, "山田", BEFORE - timedelta(hours=1))
    _derive(home, BEFORE)


def _change(home: Path, leads: int) -> None:
    _add(home, leads, "鈴木", AS_OF - timedelta(hours=1))
    _derive(home, AS_OF)


def _add(home: Path, leads: int, name: str, at: datetime) -> None:
    with open_warehouse(Settings(home=home)) as connection:
        for statement in (_LEADS, _VIEWS):
            connection.execute(statement, {"leads": leads, "name": name, "at": at})


def _derive(home: Path, as_of: datetime) -> None:
    settings = Settings(home=home)
    rules = load_rules(settings.rules)
    with open_warehouse(settings) as connection:
        check_instant(connection, "recompute", as_of)
        recompute(connection, rules, as_of, settings.public_url)


def _run(who: str, database: str, url: str, home: Path) -> Syncing:
    """One run in a process of its own."""
    arguments = ["--run", who, "--database", database, "--home", str(home)]
    command = [sys.executable, "-m", "benchmarks.syncing", *arguments]
    process = subprocess.run(command, input=url, stdout=subprocess.PIPE, text=True, check=True)
    return Syncing(**json.loads(process.stdout))


def _sync(home: Path, url: str, as_of: datetime) -> int:
    settings = Settings(home=home, sfa_url=url, memory_limit="1GB")
    return sync_sfa(settings, load_rules(settings.rules), as_of)["leads_written"]


def _upsert(home: Path, url: str) -> tuple[float, int]:
    """The floor: the rows as they stand after ours, with a name changed, so that the database has work to do."""
    rules = load_rules(Settings(home=home).rules)
    table = make_tables({synced.field: synced.field for synced in rules.sfa.fields})[0]
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = [dict(row) | {"name": f"田中{row['name']}"} for row in connection.execute(sa.select(table)).mappings()]
    insert: Any = insert_postgresql if engine.dialect.name == "postgresql" else insert_sqlite
    statement = insert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
    statement = statement.on_conflict_do_update(index_elements=["lead_id"], set_=changed)
    started = time.perf_counter()
    for start in range(0, len(rows), PAGE):
        with engine.begin() as connection:
            connection.execute(statement, rows[start : start + PAGE])
    return time.perf_counter() - started, len(rows)


def main() -> None:
    """Measure, or be one of the runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--run", choices=("fill", "floor", "ours"), help=argparse.SUPPRESS)
    parser.add_argument("--database", help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.run:
        for one in measure_syncing(options.leads):
            print(f"{one.database:11} {one.who:6} {one.seconds:6.2f} s  {one.peak_bytes / 1e6:5.0f} MB")
        return
    url = sys.stdin.read().strip()
    if options.run == "floor":
        seconds, leads = _upsert(options.home, url)
    else:
        started = time.perf_counter()
        leads = _sync(options.home, url, BEFORE if options.run == "fill" else AS_OF)
        seconds = time.perf_counter() - started
    print(json.dumps(asdict(Syncing(options.database, options.run, seconds, _peak(), leads))))


def _peak() -> int:
    """The most memory this process held, in bytes; ``getrusage`` would count what its parent held, too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    main()
