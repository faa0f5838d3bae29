"""Somebody queries the published file in a loop while it is published again and again: neither notices the other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import duckdb

from tests.company import REPOSITORY
from tests.facts import START, add_lead, at
from tests.rule_sets import rule_set
from tests.world import World, stand_in
from warehouse.publish import publish
from warehouse.table_reference import reference_of

PUBLICATIONS = int(os.environ.get("NURTURE_PUBLICATIONS", "6"))
RULES = rule_set(active_from=START)
ANALYST = """
import json, os, sys
from pathlib import Path
import duckdb

published, folder, end = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
kept = duckdb.connect(str(published), read_only=True)
first = kept.execute("from publication").fetchall()
seen, wrong = [], []
print("ready", flush=True)
while not end.exists():
    with duckdb.connect() as connection:  # one that names the file would be given that which is open, and old
        connection.execute(f"attach '{published}' as kpi (read_only)")
        connection.execute("use kpi")
        ((hours, leads, counted),) = connection.execute(
            "select date_diff('hour', timestamptz '2026-04-01 00:00+00', as_of), (select count(*) from leads),"
            " (select sum(leads) from kpi_segment_daily where segment = 'everyone'"
            "  and date = (as_of at time zone timezone)::date) from publication"
        ).fetchall()
    one = os.path.realpath(folder)
    ((copied, rows),) = duckdb.sql(
        f"select (select date_diff('hour', timestamptz '2026-04-01 00:00+00', as_of) from '{one}/publication.parquet'),"
        f" (select count(*) from '{one}/leads.parquet')"
    ).fetchall()
    seen.append(hours)
    if not hours == leads == counted or copied != rows:
        wrong.append([hours, leads, counted, copied, rows])
    if kept.execute("from publication").fetchall() != first:
        wrong.append("the file that was open has changed")
print(json.dumps([seen, wrong]))
"""


def test_an_analyst_in_a_loop_sees_one_whole_publication_each_time_and_nobody_waits(tmp_path: Path) -> None:
    """Of each publication the number of leads is that of its hours, so that a mixture would show."""
    with ExitStack() as stack:
        world = World(tmp_path, stack.enter_context(stand_in(tmp_path)))

        def put_out(hours: int) -> float:
            when = at(0) + timedelta(hours=hours)
            world.facts(lambda connection: add_lead(connection, f"lead{hours}@example.com", when))
            world.recompute(RULES, when)
            begun = time.perf_counter()
            publish(world.settings, when)
            return time.perf_counter() - begun

        alone = [put_out(hours) for hours in (1, 2, 3)][-1]
        end, folder = tmp_path / "end", tmp_path / "kpi_parquet"
        analyst = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", ANALYST, str(world.settings.published), str(folder), str(end)],
                stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
            )
        )  # fmt: skip
        stack.callback(analyst.kill)
        assert analyst.stdout is not None
        assert analyst.stdout.readline() == "ready\n"
        beside = [put_out(hours) for hours in range(4, 4 + PUBLICATIONS)]
        end.touch()
        seen, wrong = json.loads(analyst.communicate(timeout=60)[0])
    assert wrong == []
    assert seen == sorted(seen)
    assert len(set(seen)) >= PUBLICATIONS / 2
    assert (
        sorted(beside)[len(beside) // 2] < 10 * alone + 1
    )  # slower as two share the processors, but it waits for none
    assert len(list(tmp_path.glob(".kpi_parquet-*"))) == 2


def test_the_parquet_files_hold_what_the_published_file_holds(tmp_path: Path) -> None:
    with stand_in(tmp_path) as server:
        world = World(tmp_path, server)
        world.facts(lambda connection: add_lead(connection, "a@example.com", title="部長", topics="a;b"))
        world.recompute(RULES, at(1))
        published = publish(world.settings, at(1))
    with duckdb.connect(str(published), read_only=True) as connection:
        tables = [name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()]
        assert {path.stem for path in (tmp_path / "kpi_parquet").iterdir()} == set(tables)
        for table in tables:
            path = tmp_path / "kpi_parquet" / f"{table}.parquet"
            other = connection.execute(
                f"(from {table} except all from '{path}') union all (from '{path}' except all from {table})"
            ).fetchall()
            assert other == []
        cookbook = (REPOSITORY / "docs" / "cookbooks" / "analysts.md").read_text(encoding="utf-8")
        blocks = re.findall(r"```sql\n(.*?)```", cookbook, re.DOTALL)
        assert len(blocks) == 3
        for statement in connection.extract_statements("".join(blocks)):
            assert connection.execute(statement).description


def test_the_page_on_the_tables_is_that_of_the_tables() -> None:
    page = (REPOSITORY / "docs" / "reference" / "tables.md").read_text(encoding="utf-8")
    assert page == reference_of(REPOSITORY / "rules" / "guide"), "run `make docs`"
