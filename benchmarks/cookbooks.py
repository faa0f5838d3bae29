"""Runs the cookbooks against the public data sets they are about, and compares with the figures they give.

The sets are not part of this repository; a cookbook says where to get each. Usage::

    python benchmarks/cookbooks.py --olist DIR --weblog DIR

Ends with 1 where a figure differs from its cookbook's, and with 2 where a source could not be read.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from settings import Settings  # noqa: E402
from tasks.pull import pull_sources  # noqa: E402
from warehouse.connection import open_warehouse  # noqa: E402

COOKBOOKS = REPOSITORY / "docs" / "cookbooks"
_AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
_TABLE_ROW = re.compile(r"^\| (?P<figure>[^|]+?) +\| +(?P<value>[^|]+?) +\|$", re.MULTILINE)


def main() -> int:
    """Run the cookbooks whose data set was named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--olist", type=Path, metavar="DIR", help="folder of Olist's marketing funnel")
    parser.add_argument("--weblog", type=Path, metavar="DIR", help="folder of the Apache log")
    arguments = parser.parse_args()
    given = {"olist_funnel": ("OLIST_DIR", arguments.olist), "weblog_elastic": ("WEBLOG_DIR", arguments.weblog)}
    if not any(folder for _, folder in given.values()):
        parser.error("name at least one data set: --olist DIR, --weblog DIR")
    results = [run(name, variable, folder) for name, (variable, folder) in given.items() if folder]
    return max(results)


def run(name: str, variable: str, folder: Path) -> int:
    """Run one cookbook in a temporary home, print its figures, and return the exit status."""
    os.environ[variable] = str(folder.resolve())
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        rules = shutil.copytree(REPOSITORY / "rules" / "guide", home / "rules")
        additions = COOKBOOKS / name / "fields.yaml"
        if additions.exists():
            with (rules / "fields.yaml").open("a", encoding="utf-8") as fields:
                fields.write(additions.read_text(encoding="utf-8"))
        settings = Settings(home=home, rules=rules, sources=COOKBOOKS / name / "sources.yaml")
        started = time.monotonic()
        report = pull_sources(settings, _AS_OF)
        seconds = time.monotonic() - started
        for failure in report.failed:
            print(f"{name}: {failure.error}", file=sys.stderr)
        if report.failed:
            return 2
        again = pull_sources(settings, _AS_OF)
        found = figures(settings, name)
    rows = sum(source.counts.rows_read for source in report.sources)
    print(f"{name}: {rows:,} rows in {seconds:.1f} s; again: {sum(s.counts.rows_loaded for s in again.sources)} loaded")
    return compare(found, expected_figures(name))


def figures(settings: Settings, name: str) -> dict[str, str]:
    """Return the figures that a cookbook's query finds in the warehouse."""
    query = (COOKBOOKS / name / "figures.sql").read_text(encoding="utf-8")
    with open_warehouse(settings, read_only=True) as connection:
        return dict(connection.execute(query).fetchall())


def expected_figures(name: str) -> dict[str, str]:
    """Return the figures given in a cookbook's tables."""
    text = (COOKBOOKS / f"{name}.md").read_text(encoding="utf-8")
    rows = {match["figure"]: match["value"] for match in _TABLE_ROW.finditer(text)}
    return {figure: value for figure, value in rows.items() if figure != "figure" and not figure.startswith("-")}


def compare(found: dict[str, str], expected: dict[str, str]) -> int:
    """Print every figure; return 1 where one differs or is missing on either side."""
    status = 0
    for figure in sorted(found.keys() | expected.keys()):
        is_right = found.get(figure) == expected.get(figure)
        note = "" if is_right else f"   DIFFERS: the cookbook gives {expected.get(figure, 'nothing')}"
        print(f"  {figure:<36} {found.get(figure, 'nothing'):>22}{note}")
        status = status if is_right else 1
    return status


if __name__ == "__main__":
    sys.exit(main())
