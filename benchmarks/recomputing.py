"""Measures recomputes against the floor: the best hand-written SQL that makes the same tables from the same facts.

Each run is a process of its own, so that its time and its memory are its own: opening the file, the work, the commit
and closing the file.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from benchmarks.rule_set import bench_rules
from benchmarks.stores import AS_OF, change_leads, make_store, settings_for
from warehouse.connection import connect, open_warehouse
from warehouse.derivation import Derivation
from warehouse.recompute import recompute

FLOOR = Path(__file__).with_name("floor.sql")
SAME_TABLES = {
    "lead_score_points": "lead_id, rule, event_id, occurred_at, points, send_id",
    "lead_score_changes": "lead_id, changed_at, points, score, cause_event_id",
    "lead_tier_changes": "lead_id, changed_at, from_tier, to_tier, score, cause_event_id",
    "lead_stage_changes": "lead_id, changed_at, from_stage, to_stage, cause_event_id, left_at",
    "segment_members": "segment, lead_id, entered_at, left_at",
    "leads": "lead_id, email, score, tier, stage, last_action_at, created_at",
}
"""The tables that the floor makes, too, and their columns in both."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """One run: its seconds, the most memory it held in bytes, and the seconds of its parts."""

    seconds: float
    peak_bytes: int
    parts: dict[str, float]


def measure_size(folder: Path, leads: int, events: int, changed: int, report: Report) -> dict[str, Measured]:
    """Measure one size. Returns runs by name: ``floor``, ``first``, ``rules``, ``change``.

    Raises:
        AssertionError: The engine's tables are not those of the floor.
    """
    report(f"{events:,} events of {leads:,} leads: making them")
    home = make_store(folder, leads, events)
    found: dict[str, Measured] = {}
    for name in ("floor", "first", "rules"):
        report(f"{events:,} events: {name}")
        found[name] = _in_process(name, home, AS_OF)
        if name == "first":
            check_same(home)
    later = AS_OF + timedelta(hours=1)
    with open_warehouse(settings_for(home)) as connection:
        # what turns with time alone between the runs is not what this measures
        recompute(connection, bench_rules(), later, "https://nurture.example")
        change_leads(connection, changed, later, 1)
    report(f"{events:,} events: {changed:,} leads change")
    found["change"] = _in_process("change", home, later + timedelta(minutes=1))
    return found


def slope(sizes: list[tuple[int, float]]) -> float:
    """The slope of time against size on log-log, by least squares."""
    points = [(math.log(size), math.log(seconds)) for size, seconds in sizes]
    x = sum(point[0] for point in points) / len(points)
    y = sum(point[1] for point in points) / len(points)
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def check_same(home: Path) -> None:
    """Compare the engine's tables with the floor's, row by row."""
    settings = settings_for(home)
    with duckdb.connect(str(home / "floor.duckdb"), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set memory_limit = '4GB'")
        connection.execute(f"attach '{settings.warehouse}' as engine (read_only)")
        for table, columns in SAME_TABLES.items():
            sums = [
                connection.execute(
                    f"select count(*), sum(hash({columns})), bit_xor(hash({columns})) from {database}.{table}"
                ).fetchone()
                for database in ("floor", "engine")
            ]
            if sums[0] != sums[1]:
                raise AssertionError(f"{table}: the engine's rows are not the floor's: {sums}")


def _in_process(name: str, home: Path, as_of: datetime) -> Measured:
    command = [sys.executable, "-m", "benchmarks.recomputing", name, str(home), as_of.isoformat()]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return Measured(**json.loads(answer.stdout.splitlines()[-1]))


def _run(name: str, home: Path, as_of: datetime) -> Measured:
    parts: defaultdict[str, float] = defaultdict(float)
    started = time.perf_counter()
    if name == "floor":
        _run_floor(home, as_of, parts)
    else:
        _run_engine(name, home, as_of, parts)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    longest = sorted(parts.items(), key=lambda part: -part[1])
    return Measured(seconds, peak, {part: round(spent, 2) for part, spent in longest[:25]})


def _run_floor(home: Path, as_of: datetime, parts: defaultdict[str, float]) -> None:
    settings = settings_for(home)
    path = home / "floor.duckdb"
    path.unlink(missing_ok=True)
    connection = connect(path, settings)
    connection.execute(f"attach '{settings.warehouse}' as facts (read_only)")
    connection.begin()
    for statement in duckdb.extract_statements(FLOOR.read_text(encoding="utf-8")):
        values = {"as_of": as_of} if "as_of" in statement.named_parameters else None
        began = time.perf_counter()
        connection.execute(statement, values)
        parts[" ".join(statement.query.split()[-400:])[:60].strip()] += time.perf_counter() - began
    connection.commit()
    connection.close()


def _run_engine(name: str, home: Path, as_of: datetime, parts: defaultdict[str, float]) -> None:
    rules = bench_rules()
    if name == "rules":
        rules = rules.model_copy(update={"version": f"{rules.version}-other"})
    else:
        _profile(parts)
    began = time.perf_counter()
    with open_warehouse(settings_for(home)) as connection:
        if name == "first":
            connection.execute("delete from derivation")
        recompute(connection, rules, as_of, "https://nurture.example")
        ended = time.perf_counter()
    parts["commit and close"] = time.perf_counter() - ended
    parts["all before the commit"] = ended - began


def _profile(parts: defaultdict[str, float]) -> None:
    """Let derivations note how long each model and each keeping takes."""

    def timed(name: str, label: str) -> None:
        work = getattr(Derivation, name)

        def noting(self: Derivation, *arguments: object, **named: object) -> object:
            began = time.perf_counter()
            try:
                return work(self, *arguments, **named)
            finally:
                parts[f"{label} {arguments[0] if arguments else ''}".strip()] += time.perf_counter() - began

        setattr(Derivation, name, noting)

    timed("make", "make")
    timed("keep", "keep")
    timed("replace", "keep")
    timed("add", "keep")
    timed("load", "load")


def main() -> None:
    """Run one measurement, or with ``all`` a size as the bench does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=["floor", "first", "rules", "change"])
    parser.add_argument("home", type=Path)
    parser.add_argument("as_of", type=datetime.fromisoformat)
    options = parser.parse_args()
    measured = _run(options.name, options.home, options.as_of)
    sys.stdout.write(
        json.dumps({"seconds": measured.seconds, "peak_bytes": measured.peak_bytes, "parts": measured.parts}) + "\n"
    )


if __name__ == "__main__":
    main()
