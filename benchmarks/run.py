"""``make bench``: how long the engine takes, as ratios to floors measured in the same run.

Facts are made once under ``--folder`` and kept there; the whole takes about half an hour and 40 GB.
``--events 1000000`` is a quick look at the smallest size.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.answering import REACH_SECONDS, measure_answering, percentile
from benchmarks.loading import measure_loading
from benchmarks.publishing import measure_publishing
from benchmarks.pulling import measure_pulling
from benchmarks.receiving import CONNECTIONS, measure_receiving
from benchmarks.recomputing import Measured, measure_size, slope
from benchmarks.sending import OCCASIONS, measure_sending
from benchmarks.syncing import measure_syncing
from sandbox.crowd import make_crowd

SIZES = (1_000_000, 10_000_000, 100_000_000)
EVENTS_A_LEAD = 100
PARTS = ("recompute", "publish", "load", "pull", "send", "receive", "answer", "sync")


class Results:
    """The table, and where its figures are kept."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.table = Table("what", "floor s", "ours s", "ratio", "reach", "peak GB", title="nurture bench")
        self.started = time.monotonic()

    def say(self, text: str) -> None:
        """Tell what is being done."""
        self.console.print(f"{time.monotonic() - self.started:6.0f} s  {text}", highlight=False)

    def add(self, what: str, floor: float | None, ours: float, reach: float | None, peak_bytes: float = 0) -> None:
        """Add a comparison with a floor."""
        ratio = None if floor is None else ours / floor
        self.row(what, floor, ours, ratio, reach, peak_bytes)

    def row(
        self,
        what: str,
        floor: float | None,
        ours: float | None,
        ratio: float | None,
        reach: float | None,
        peak_bytes: float = 0,
    ) -> None:
        """Add a row; a ratio beyond what is to be reached stands out."""
        mark = "" if ratio is None or reach is None else "[red]" if ratio > reach else "[green]"
        self.table.add_row(
            what,
            "" if floor is None else f"{floor:.1f}",
            "" if ours is None else f"{ours:.2f}",
            "" if ratio is None else f"{mark}{ratio:.3g}",
            "" if reach is None else f"{reach:.3g}",
            f"{peak_bytes / 1e9:.1f}" if peak_bytes else "",
        )


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=SIZES[-1], help="the largest size (default: %(default)s)")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure only this; may be given more than once")
    parser.add_argument("--folder", type=Path, default=Path("var/bench"), help="where facts are made and kept")
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    options = parser.parse_args()
    parts = options.only or PARTS
    results = Results(Console(width=110))
    options.folder.mkdir(parents=True, exist_ok=True)
    kept: dict[str, object] = {}
    if "recompute" in parts:
        sizes = [size for size in SIZES if size <= options.events] or [options.events]
        kept["recompute"] = _recompute(results, options.folder, sizes)
    if "publish" in parts:
        kept["publish"] = _publish(results, options.folder, options.events)
    if "load" in parts:
        kept["load"] = _load(results, options.folder, min(options.events, 10_000_000))
    if "pull" in parts:
        kept["pull"] = _pull(results, min(options.events, 1_000_000))
    if "send" in parts:
        mails = min(options.events, 1_000_000)
        kept["send"] = {one: _send(results, options.folder / "sending", one, mails) for one in OCCASIONS}
    if "receive" in parts:
        kept["receive"] = _receive(results)
    if "answer" in parts:
        kept["answer"] = _answer(results)
    if "sync" in parts:
        kept["sync"] = _sync(results, min(options.events, 100_000))
    results.console.print(results.table)
    if options.json:
        options.json.write_text(json.dumps(kept, indent=2), encoding="utf-8")


def _recompute(results: Results, folder: Path, sizes: list[int]) -> dict[str, dict[str, dict[str, object]]]:
    """Full and incremental recomputes of each size; of the sizes the same number of leads changes."""
    changed = sizes[-1] // EVENTS_A_LEAD // 100
    found: dict[int, dict[str, Measured]] = {}
    for size in sizes:
        leads = size // EVENTS_A_LEAD
        found[size] = measure_size(folder / f"events_{size}", leads, size, min(changed, leads), results.say)
        runs = found[size]
        floor = runs["floor"].seconds
        label = f"{size // 1_000_000} M events" if size >= 1_000_000 else f"{size:,} events"
        results.add(f"rules changed: all derived, {label}", floor, runs["rules"].seconds, 2, runs["rules"].peak_bytes)
        results.add(f"from nothing, people too, {label}", floor, runs["first"].seconds, 2, runs["first"].peak_bytes)
        results.row(
            f"{min(changed, leads):,} of {leads:,} leads changed, {label}", None, runs["change"].seconds, None, None
        )
    largest = found[sizes[-1]]
    for name, what in (("rules", "all derived"), ("first", "from nothing")):
        ratio = largest["change"].seconds / largest[name].seconds
        results.row(f"1 % changed against {what}", None, None, ratio, 1 / 20)
    if len(sizes) > 1:
        ratio = largest["change"].seconds / found[sizes[-2]]["change"].seconds
        results.row(f"{changed:,} leads changed, against a tenth of the events", None, None, ratio, 2)
        for name, what in (("rules", "all derived"), ("first", "from nothing"), ("floor", "floor")):
            steepness = slope([(size, found[size][name].seconds) for size in sizes])
            results.row(f"slope of time on events, {what}", None, None, steepness, None if name == "floor" else 1.05)
    _profile(results, largest)
    return {str(size): {name: asdict(run) for name, run in runs.items()} for size, runs in found.items()}


def _publish(results: Results, folder: Path, events: int) -> dict[str, object]:
    """All KPI tables, and what a day changes of them; with the tables of rows, their Parquet and the disk, too."""
    leads = max(1000, events // EVENTS_A_LEAD)
    measured = measure_publishing(folder / f"events_{events}", leads, events, results.say)
    named = dict(zip(("anew", "a day later", "a harder day"), measured, strict=True))
    for name, one in named.items():
        results.row(f"KPI tables and what they need, {name}", None, one.kpi_seconds, None, None, one.peak_bytes)
    anew, renewed, _ = measured
    results.row("a day against anew", None, None, renewed.kpi_seconds / anew.kpi_seconds, 1 / 20)
    for name, one in named.items():
        results.row(f"whole publication, {name}", None, one.seconds, None, None, one.peak_bytes)
    return {name: asdict(one) for name, one in named.items()}


def _receive(results: Results) -> list[dict[str, object]]:
    results.say("loading the web face, 10 seconds each kind of request")
    found = measure_receiving(10)
    for one in found:
        results.add(
            f"a request to the web face, {one.kind} (ms)", 1000 / one.floor.requests, 1000 / one.ours.requests, None
        )
        results.row(
            f"p99 of it under {CONNECTIONS} connections (ms)", one.floor.p99 * 1000, one.ours.p99 * 1000, None, None
        )
    return [asdict(one) for one in found]


def _answer(results: Results) -> list[dict[str, object]]:
    results.say("30 forms to their mails, through a Prefect server and worker")
    found = measure_answering(30)
    slow = percentile([one.mailed for one in found], 0.95)
    results.row("form to mail, p95", None, slow, slow / REACH_SECONDS, 1)
    return [asdict(one) for one in found]


def _profile(results: Results, runs: dict[str, Measured]) -> None:
    """Say where the time of the largest size goes."""
    for name in ("first", "change"):
        parts = list(runs[name].parts.items())[:12]
        results.say(f"{name}: " + ", ".join(f"{part} {seconds:.1f} s" for part, seconds in parts))


def _load(results: Results, folder: Path, events: int) -> dict[str, object]:
    results.say(f"loading {events:,} events from Parquet")
    crowd = make_crowd(folder / "loading", max(1, events // EVENTS_A_LEAD), events)
    loading = measure_loading(folder / "loading", crowd.events)
    floor, ours = statistics.median(loading.floor_seconds), statistics.median(loading.pull_seconds)
    results.add(f"load {crowd.events:,} events from Parquet", floor, ours, 2, loading.pull_peak_gb * 1e9)
    return asdict(loading)


def _pull(results: Results, rows: int) -> dict[str, object]:
    results.say(f"pulling {rows:,} rows from PostgreSQL and SQLite")
    kept: dict[str, object] = {}
    for comparison in measure_pulling(rows):
        fastest, ours = comparison.median(comparison.fastest), comparison.median("pull")
        results.add(f"pull {rows:,} rows from {comparison.database}, against {comparison.fastest}", fastest, ours, 1.5)
        for reader in comparison.seconds:
            results.say(f"{comparison.database}, {reader}: {comparison.median(reader):.2f} s")
        results.say(f"{comparison.database}, not installed: {', '.join(comparison.missing) or 'none'}")
        kept[comparison.database] = asdict(comparison)
    return kept


def _send(results: Results, folder: Path, occasion: str, mails: int) -> dict[str, object]:
    results.say(f"deciding on and delivering {mails:,} mails, {occasion}")
    floor, ours, helper = measure_sending(folder, occasion, mails)
    decided_and_delivered = ours.seconds - ours.parts["enrol"]
    what = f"{mails:,} mails, {occasion}"
    results.add(f"decide on and deliver {what}", floor.seconds, decided_and_delivered, 3, ours.peak_bytes)
    results.add(f"enrol for, decide on and deliver {what}", floor.seconds, ours.seconds, 3, ours.peak_bytes)
    for part, seconds in ours.parts.items():
        results.row(f"of it {part}", None, seconds, None, None, ours.part_peaks[part])
    results.say(
        f"a mail: ours {ours.us_a_mail:.0f} µs, the floor {floor.us_a_mail:.0f} µs, by the helper classes of "
        f"SendGrid's library one a request {helper.us_a_mail:.0f} µs ({helper.mails:,} mails)"
    )
    return {"floor": asdict(floor), "ours": asdict(ours), "helper": asdict(helper)}


def _sync(results: Results, leads: int) -> list[dict[str, object]]:
    """Changed leads into a SQL SFA."""
    found = measure_syncing(leads)
    results.say(f"{leads:,} changed leads synced")
    for floor, ours in zip(found[::2], found[1::2], strict=True):
        what = f"sync {leads:,} changed leads to {ours.database}"
        results.add(what, floor.seconds, ours.seconds, None, ours.peak_bytes)
    return [asdict(one) for one in found]


if __name__ == "__main__":
    main()
