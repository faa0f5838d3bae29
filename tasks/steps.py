"""The steps that flows put in order.

Each is a plain function behind a thin Prefect task: inside a flow run it is recorded and retried by Prefect, anywhere
else it simply runs. Steps pass names and numbers; data stays in DuckDB, and settings and rules are read where they are
used, so no secret becomes a parameter.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext, TaskRunContext

from rules.loader import load_rules
from settings import load_settings
from tasks import cards, dashboard, evidence, handoff, notices, pull, send, sfa_sync
from tasks.review import run as review
from tasks.summary import cell, read_figures, to_markdown
from warehouse.connection import check_instant, open_warehouse
from warehouse.publish import publish
from warehouse.recompute import recompute
from warehouse.reviews import Finding

_P = ParamSpec("_P")
_R = TypeVar("_R")


def step(**options: Any) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Make a function a Prefect task inside flow runs and leave it a function elsewhere."""

    def wrap(function: Callable[_P, _R]) -> Callable[_P, _R]:
        prefect_task: Callable[_P, _R] = task(**options, cache_policy=NO_CACHE)(function)

        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            return prefect_task(*args, **kwargs) if FlowRunContext.get() else function(*args, **kwargs)

        return call

    return wrap


def tell(message: str) -> None:
    """Say how far the work is: to the run's log in Prefect, to the terminal elsewhere."""
    if FlowRunContext.get() or TaskRunContext.get():
        get_run_logger().info(message)
    else:
        logging.getLogger("nurture").info(message)


@step(name="pull sources", retries=2, retry_delay_seconds=5)
def pull_sources(home: Path | None, as_of: datetime) -> pull.PullReport:
    """Read what is new in every source into the facts."""
    return pull.pull_sources(load_settings(home), as_of, lambda source, rows: tell(f"{source}: {rows:,} rows read"))


@step(name="drain the inbox", retries=2, retry_delay_seconds=5)
def drain_inbox(home: Path | None, as_of: datetime) -> pull.PullReport:
    """Read what the web face took, and no other source, into the facts."""
    settings = load_settings(home)
    return pull.PullReport(as_of, pull.pull_inbox(settings, load_rules(settings.rules).fields, as_of))


@step(name="ask the mail provider")
def pull_evidence(home: Path | None, as_of: datetime) -> evidence.Evidence:
    """Read who gets no more mail, and what became of unknown mails, from the mail provider. It retries by itself."""
    settings = load_settings(home)
    return evidence.pull_evidence(settings, load_rules(settings.rules), as_of, tell)


@step(name="recompute leads", retries=1, retry_delay_seconds=5)
def recompute_leads(home: Path | None, as_of: datetime) -> dict[str, int]:
    """Derive leads, scores, tiers, stages and segments. Returns leads by tier."""
    settings = load_settings(home)
    rules = load_rules(settings.rules)
    with open_warehouse(settings) as connection:
        check_instant(connection, "recompute", as_of)
        return recompute(connection, rules, as_of, settings.public_url, tell, timezone=settings.timezone)


@step(name="decide sends", retries=1, retry_delay_seconds=5)
def plan_sends(home: Path | None, as_of: datetime) -> dict[str, int]:
    """Decide every mail that is due. Returns decisions by name."""
    settings = load_settings(home)
    return send.plan_sends(settings, load_rules(settings.rules), as_of, tell)


@step(name="deliver sends")
def deliver_sends(home: Path | None, as_of: datetime, *, is_confirmed: bool = False) -> dict[str, int]:
    """Deliver what was decided. Returns sends by what became of them, and how many wait."""
    settings = load_settings(home)
    counts = send.deliver_sends(settings, load_rules(settings.rules), as_of, tell, is_confirmed=is_confirmed)
    return {**counts, "waiting": send.waiting_sends(settings)}


@step(name="read the SFA", retries=2, retry_delay_seconds=5)
def read_sfa(home: Path | None, as_of: datetime) -> dict[str, int]:
    """Read what sales changed in the SFA. Returns counts."""
    settings = load_settings(home)
    return sfa_sync.read_sfa(settings, load_rules(settings.rules), as_of, tell)


@step(name="decide handoffs", retries=1, retry_delay_seconds=5)
def plan_handoffs(home: Path | None, as_of: datetime, *, knows_calls: bool = True) -> dict[str, int]:
    """Decide which leads go to sales. Returns handoffs, refusals and notices added, and handoffs reassigned."""
    settings = load_settings(home)
    return handoff.plan_handoffs(settings, load_rules(settings.rules), as_of, knows_calls=knows_calls)


@step(name="write to the SFA", retries=2, retry_delay_seconds=5)
def write_sfa(home: Path | None, as_of: datetime) -> dict[str, int]:
    """Merge both sides, and write what changed here. Returns counts."""
    settings = load_settings(home)
    return sfa_sync.write_sfa(settings, load_rules(settings.rules), as_of, tell)


@step(name="plan digests", retries=1, retry_delay_seconds=5)
def plan_digests(home: Path | None, as_of: datetime) -> int:
    """Plan the morning's lists of open handoffs, once it is time. Returns how many."""
    settings = load_settings(home)
    return notices.plan_digests(settings, load_rules(settings.rules), as_of)


@step(name="show handoffs", retries=1, retry_delay_seconds=5)
def show_handoffs(home: Path | None, as_of: datetime) -> int:
    """Bring the pages of open handoffs up to date. Returns how many are open."""
    settings = load_settings(home)
    return cards.show_handoffs(settings, load_rules(settings.rules), as_of)


@step(name="notify sales")
def send_notices(home: Path | None, as_of: datetime) -> int:
    """Tell sales, once each. Returns notices sent."""
    settings = load_settings(home)
    return notices.send_notices(settings, load_rules(settings.rules), as_of)


@step(name="publish KPI tables", retries=1, retry_delay_seconds=5)
def publish_kpis(home: Path | None, as_of: datetime) -> Path:
    """Build the analysts' file and put it in place. Returns its path."""
    tell("publishing the KPI tables")
    return publish(load_settings(home), as_of)


@step(name="write the dashboard")
def write_dashboard(home: Path | None) -> Path:
    """Write the dashboard of what was published. Returns its path."""
    return dashboard.write_dashboard(load_settings(home))


@step(name="show figures")
def show_figures(home: Path | None, published: Path, as_of: datetime) -> None:
    """Put the day's figures into Prefect as artifacts; outside a flow run there is nothing to do."""
    if not FlowRunContext.get() and not TaskRunContext.get():
        return
    figures = read_figures(published)
    for table in figures:
        create_table_artifact(
            key=f"nurture-{table.key}",
            table=[
                {column: cell(column, value) for column, value in zip(table.columns, row, strict=True)}
                for row in table.rows
            ],
            description=f"{table.title} ({as_of.isoformat()})",
        )
    create_markdown_artifact(
        key="nurture-summary",
        markdown=f"## {as_of.isoformat()}\n\n"
        + "\n".join(to_markdown(table) for table in figures)
        + f"\nダッシュボード: `{load_settings(home).dashboard}` (リンク: `nurture dashboard --link`)\n",
        description="日次サマリー",
    )


@step(name="find what changed", retries=1, retry_delay_seconds=5)
def find_what_changed(home: Path | None, as_of: datetime, period: Literal["week", "month"]) -> list[Finding]:
    """Review the last whole period. Returns what was found, which names no lead; nothing if it was reviewed before."""
    settings = load_settings(home)
    tell(f"reviewing the {period} that began on {review.period_of(settings, period, as_of).first}")
    return review.find_in_period(settings, load_rules(settings.rules), period, as_of)


@step(name="keep the review", retries=1, retry_delay_seconds=5)
def keep_review(
    home: Path | None, as_of: datetime, period: Literal["week", "month"], findings: list[Finding]
) -> dict[str, Any]:
    """Keep what was found, and plan whom to tell, once. Returns counts."""
    settings = load_settings(home)
    return review.keep_review(settings, load_rules(settings.rules), period, findings, as_of)


@step(name="write the review", retries=1, retry_delay_seconds=5)
def write_review(home: Path | None, as_of: datetime, period: Literal["week", "month"]) -> Path:
    """Write the report as a page and in Markdown, and in Prefect as an artifact. Returns the page."""
    settings = load_settings(home)
    rules = load_rules(settings.rules)
    page = review.write_down(settings, rules, period, as_of)
    if FlowRunContext.get() or TaskRunContext.get():
        create_markdown_artifact(
            key=f"nurture-review-{period}",
            markdown=review.markdown_of(settings, rules, period, as_of),
            description=page.stem,
        )
    return page
