"""How long ten million events take from Parquet into ``events``, beside DuckDB's own insert of the same rows.

The floor is one statement in a DuckDB file with a table of the same shape: it reads the files, makes each row's key,
and inserts; it looks for no row twice, checks none, and keeps no account of what it read. Ours is ``nurture pull`` of a
source that names the files. The two take turns, each from an empty file until it is closed, each in a process of its
own, so that a peak of memory is that of one. The rows of both are compared in the end::

    python -m benchmarks.loading --events 10000000
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from sandbox.crowd import make_crowd
from settings import Settings
from tasks.pull import pull_sources
from warehouse.connection import connect, open_warehouse

AS_OF = datetime(2026, 4, 1, tzinfo=UTC)
REPOSITORY = Path(__file__).resolve().parent.parent
SOURCES = """\
sources:
  - name: behaviour
    kind: file
    path: {folder}/behaviour_*.parquet
    into: events
    columns: {{
      event_id: id, event_type: type, visitor: visitor, email: mail, url: path, asset: asset, send_id: send,
      occurred_at: happened_at}}
"""
FLOOR = """
insert into events
select
    md5(concat_ws(chr(31), 'behaviour', 'id', id))::uuid, 'behaviour', type, happened_at, timestamptz '2026-04-01',
    mail, null, visitor, path, asset, send, map {{}}
from read_parquet('{folder}/behaviour_*.parquet')
"""
_DIFFERENCES = """
select count(*)
from (
    (from floor.events except all from pull.events) union all (from pull.events except all from floor.events)
)
"""


@dataclass
class Loading:
    """What was measured: seconds and peak memory of each run, and how many rows there were."""

    rows: int
    floor_seconds: list[float] = field(default_factory=list)
    pull_seconds: list[float] = field(default_factory=list)
    floor_peak_gb: float = 0.0
    pull_peak_gb: float = 0.0
    differences: int = 0
    """Rows that stand in only one of the two tables."""

    @property
    def ratio(self) -> float:
        """Ours against the floor, of medians."""
        return statistics.median(self.pull_seconds) / statistics.median(self.floor_seconds)


def measure_loading(folder: Path, rows: int, runs: int = 3) -> Loading:
    """Measure loading a crowd's behaviour, which stands in a folder as ``behaviour_*.parquet``.

    Args:
        folder: Where the files are; homes of the runs are made in it.
        rows: How many events the files hold.
        runs: How many times each is measured, in turn.
    """
    loading = Loading(rows)
    for run in range(runs):
        for what in ("floor", "pull") if run % 2 == 0 else ("pull", "floor"):
            _remove(folder / what)
            seconds, peak_gb = _in_own_process(what, folder)
            if what == "floor":
                loading.floor_seconds.append(seconds)
                loading.floor_peak_gb = max(loading.floor_peak_gb, peak_gb)
            else:
                loading.pull_seconds.append(seconds)
                loading.pull_peak_gb = max(loading.pull_peak_gb, peak_gb)
    loading.differences = _differences(folder)
    for what in ("floor", "pull"):
        _remove(folder / what)
    return loading


def _in_own_process(what: str, folder: Path) -> tuple[float, float]:
    """Return the seconds that one run takes, and the gigabytes it has in memory at most."""
    arguments = [sys.executable, "-m", "benchmarks.loading", "--one", what, "--folder", str(folder)]
    told = subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=REPOSITORY).stdout.split()
    return float(told[0]), float(told[1])


def _run_one(what: str, folder: Path) -> None:
    settings = _settings(what, folder)
    with open_warehouse(settings):
        pass  # migrated
    started = time.perf_counter()
    if what == "floor":
        connection = connect(settings.warehouse, settings)
        connection.execute(FLOOR.format(folder=folder))
        connection.close()
    else:
        (report,) = pull_sources(settings, AS_OF, fields=()).sources
        if report.error is not None:
            raise RuntimeError(report.error)
    seconds = time.perf_counter() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)


def _settings(what: str, folder: Path) -> Settings:
    home = folder / what
    home.mkdir(exist_ok=True)
    settings = Settings(home=home, sources=home / "sources.yaml")
    settings.sources.write_text(SOURCES.format(folder=folder), encoding="utf-8")
    return settings


def _differences(folder: Path) -> int:
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = '4GB'")
        connection.execute("set temp_directory = $1", [str(folder / "spill")])
        for what in ("floor", "pull"):
            connection.execute(f"attach '{_settings(what, folder).warehouse}' as {what} (read_only)")
        row = connection.execute(_DIFFERENCES).fetchone()
        assert row is not None
        return int(row[0])


def _remove(home: Path) -> None:
    for file in home.glob("*"):
        file.unlink()
    if home.exists():
        home.rmdir()


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description="Load events from Parquet, beside DuckDB's own insert.")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="of a crowd that was made before")
    parser.add_argument("--one", choices=("floor", "pull"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        _run_one(options.one, options.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        if options.folder is None:
            make_crowd(folder, options.leads, options.events)
        (rows,) = duckdb.execute(f"select count(*) from '{folder}/behaviour_*.parquet'").fetchone() or (0,)
        loading = measure_loading(folder, rows, options.runs)
    floor, pull = statistics.median(loading.floor_seconds), statistics.median(loading.pull_seconds)
    print(f"{loading.rows:,} events from Parquet; seconds, the median of {options.runs} runs")
    print(f"  DuckDB's own insert  {floor:6.1f}  peak {loading.floor_peak_gb:.1f} GB")
    print(f"  nurture pull         {pull:6.1f}  peak {loading.pull_peak_gb:.1f} GB")
    print(f"  ratio {loading.ratio:.2f}; rows that stand in only one of the two: {loading.differences}")


if __name__ == "__main__":
    main()
