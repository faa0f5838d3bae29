"""``make bench``: how long the engine takes, as a ratio to a floor measured in the same run.

The floor of a step is the shortest plain SQL that writes the same kind of rows from the same input. Sizes are given by
``--leads`` and ``--events``.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rules.loader import load_rules
from settings import Settings
from tasks.pull import pull_sources
from warehouse.connection import open_warehouse
from warehouse.publish import publish
from warehouse.recompute import recompute

REPOSITORY = Path(__file__).resolve().parent.parent
AS_OF = datetime(2026, 4, 1, tzinfo=UTC)
SOURCES = """\
sources:
  - name: contacts
    kind: file
    path: {folder}/contacts.parquet
    into: leads
    columns:
      {{external_id: id, email: mail, company: company, title: title, industry: industry, occurred_at: updated_at}}
  - name: behaviour
    kind: file
    path: {folder}/behaviour.parquet
    into: events
    columns: {{event_id: id, event_type: type, email: mail, url: path, asset: asset, occurred_at: happened_at}}
"""
MAKE_CONTACTS = """
copy (
    select
        i as id,
        'lead' || i || '@example.com' as mail,
        '株式会社' || (i // 3) as company,
        ['部長', '営業部長', '課長', '担当', '副部長'][1 + i % 5] as title,
        ['製造業', 'IT', '金融'][1 + i % 3] as industry,
        timestamptz '2025-01-01' + to_seconds(i) as updated_at
    from range({leads}) as leads(i)
) to '{folder}/contacts.parquet'
"""
MAKE_EVENTS = """
copy (
    select
        i as id,
        -- few leads are very active, most nearly silent
        'lead' || floor({leads} * pow(((hash(i) >> 11) % 1000003) / 1000003.0, 3))::bigint || '@example.com' as mail,
        ['page_view', 'page_view', 'page_view', 'mail_open', 'mail_click', 'document_download',
            'seminar_signup'][(1 + hash(i + 1) % 7)::bigint] as type,
        ['/price', '/cases/a', '/blog/' || i % 1000, '/'][(1 + hash(i + 2) % 4)::bigint] as path,
        case when hash(i + 1) % 7 = 5 then ['guide', 'case-studies'][1 + i % 2] end as asset,
        timestamptz '2025-01-01' + to_seconds((hash(i + 3) % 39000000)::bigint) as happened_at
    from range({events}) as events(i)
) to '{folder}/behaviour.parquet'
"""
FLOOR_LOAD = """
create or replace table floor_events as
select md5(id::varchar) as event_id, type, mail, path, asset, happened_at from '{folder}/behaviour.parquet'
"""
FLOOR_RECOMPUTE = """
create or replace table floor_points as
select email, event_id, occurred_at, case event_type
    when 'page_view' then case when url like '/price%' then 15 end
    when 'mail_open' then 5 when 'mail_click' then 10 when 'document_download' then 10 when 'seminar_signup' then 20
    end as points
from events where points is not null;
create or replace table floor_scores as
select email, occurred_at, sum(points) over (partition by email order by occurred_at, event_id) as score
from floor_points;
create or replace table floor_leads as select email, max(score) as score from floor_scores group by email;
"""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    options = parser.parse_args()
    table = Table("step", "seconds", "floor", "ratio", title=f"{options.leads:,} leads, {options.events:,} events")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(home=folder / "home", rules=REPOSITORY / "rules/guide", sources=folder / "sources.yaml")
        sizes = {"leads": options.leads, "events": options.events, "folder": folder}
        settings.sources.write_text(SOURCES.format(folder=folder), encoding="utf-8")
        with open_warehouse(settings) as connection:
            connection.execute(MAKE_CONTACTS.format(**sizes))
            connection.execute(MAKE_EVENTS.format(**sizes))
            floor = timed(lambda: connection.execute(FLOOR_LOAD.format(**sizes)))
            connection.execute("drop table floor_events")
        seconds = timed(lambda: pull_sources(settings, AS_OF))
        row(table, "pull contacts and events from Parquet", seconds, floor)
        rules = load_rules(settings.rules)
        with open_warehouse(settings) as connection:
            floor = timed(lambda: connection.execute(FLOOR_RECOMPUTE))
            seconds = timed(lambda: recompute(connection, rules, AS_OF, settings.public_url))
        row(table, "recompute everything", seconds, floor)
        row(table, "publish the KPI tables", timed(lambda: publish(settings, AS_OF)), None)
    console = Console(width=100)
    console.print(table)
    console.print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2:.1f} GB")


def timed(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def row(table: Table, step: str, seconds: float, floor: float | None) -> None:
    """Add a step to the table."""
    ratio = f"{seconds / floor:.1f}" if floor else "—"
    table.add_row(step, f"{seconds:.1f}", f"{floor:.1f}" if floor else "—", ratio)


if __name__ == "__main__":
    main()
