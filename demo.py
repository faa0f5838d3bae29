"""The demo: a simulated company lives through some weeks against the real flows and a stand-in SendGrid.

Its CRM, its access logs and SendGrid's events are files and a database as any company has them, read through a
``sources.yaml`` as any other. Time is simulated: every cycle runs as of its own instant, and so does the stand-in. The
same seed gives the same company, mails and figures.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import Progress

from flows.daily_handoff_and_kpi import daily_handoff_and_kpi
from flows.nurture_cycle import nurture_cycle
from sandbox.company import Company
from sandbox.sales import SalesTeam
from sandbox.sendgrid import Clock, StandIn
from tasks.errors import RunError

ZONE = ZoneInfo("Asia/Tokyo")

START = datetime(2026, 4, 5, 15, 0, tzinfo=UTC)
"""Midnight in Tokyo before a Monday."""

CYCLE_HOURS = (10, 16)
"""Local hours of the simulated cycles, the first alone at weekends; a real deployment runs one every few minutes."""

SOURCES = """\
# The demo's sources: a CRM database, the web server's access logs, and SendGrid's events.
sources:
  - name: crm_contacts
    kind: sql
    url: ${DEMO_CRM_URL}
    query: select * from contacts where updated_at >= :since
    cursor: updated_at
    id_space: crm
    into: leads
    columns:
      external_id: id
      email: mail
      name: full_name
      company: company_name
      title: job_title
      phone: phone
      industry: industry
      employees: employees
      revenue: revenue
      region: region
      topics: topics
      consent_basis: consent_basis
      consent_evidence: consent_evidence
      created_at: created_at
  - name: web_forms
    kind: sql
    url: ${DEMO_CRM_URL}
    query: select * from form_posts where posted_at >= :since
    cursor: posted_at
    into: events
    columns: {event_id: id, event_type: form, email: mail, visitor: cookie, asset: asset, occurred_at: posted_at}
  - name: web_log
    kind: file
    path: ${DEMO_FOLDER}/web/access_*.csv
    encoding: cp932
    timezone: Asia/Tokyo
    into: events
    constants: {type: page_view}
    columns: {event_id: id, visitor: cookie, occurred_at: ts, url: path}
  - name: mail_events
    kind: file
    path: ${DEMO_HOME}/sandbox/events.jsonl
    format: sendgrid_events
    into: events
  - name: crm_deals
    kind: sql
    url: ${DEMO_CRM_URL}
    query: select * from deals where changed_at >= :since
    cursor: changed_at
    id_space: crm
    into: deals
    columns: {deal_id: id, external_id: contact_id, status: status, amount: amount, occurred_at: changed_at}
"""


def run_demo(home: Path, *, weeks: int, leads: int, seed: int) -> Path:
    """Simulate ``weeks`` of a company with ``leads`` leads.

    Args:
        home: The demo's folder; what a demo before left in it is removed.
        weeks: Simulated weeks.
        leads: Leads over the whole time.
        seed: Seed of the simulation.

    Returns:
        The published KPI file.

    Raises:
        RunError: The folder holds something that is no demo's.
    """
    started = time.monotonic()
    _empty(home)
    folder = home / "company"
    end = START + timedelta(weeks=weeks)
    instants = [
        START + timedelta(days=day, hours=hour)
        for day in range(7 * weeks)
        for hour in (CYCLE_HOURS if day % 7 < 5 else CYCLE_HOURS[:1])
    ] + [end]
    clock = Clock(START)
    with StandIn(home, clock=clock) as stand_in, _environment(home, folder, stand_in.url):
        (home / "sandbox" / "events.jsonl").touch()  # a feed that has told nothing yet
        company = Company(folder, seed, leads, START, stand_in.mailbox, arrival_days=7 * weeks)
        sales = SalesTeam(home / "sfa.db", seed, crm=folder / "crm.db", contact_of=_contact_finder(home, company))
        with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
            simulated = progress.add_task("simulating")
            for instant in progress.track(instants, task_id=simulated):
                clock.set(instant)
                company.advance(instant)
                sales.advance(instant)
                nurture_cycle.fn(as_of=instant, home=home)
                progress.update(simulated, description=f"{instant.astimezone(ZONE):%m/%d %H:%M}")
        published = daily_handoff_and_kpi.fn(as_of=end, home=home)
    print(f"{weeks} weeks in {len(instants)} cycles took {time.monotonic() - started:.0f} s", file=sys.stderr)
    return published


def _empty(home: Path) -> None:
    """Clear the demo's folder, and only a demo's: its marker has to be there."""
    marker = home / ".nurture-demo"
    if home.exists() and any(home.iterdir()) and not marker.exists():
        raise RunError(f"{home} holds something that is no demo's; give an empty folder by --home")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    marker.touch()
    (home / "sources.yaml").write_text(SOURCES, encoding="utf-8")


@contextmanager
def _environment(home: Path, folder: Path, sendgrid_url: str) -> Iterator[None]:
    """Settings of the demo, and of nothing else, for as long as it runs."""
    values = {
        "NURTURE_HOME": str(home),
        "NURTURE_WAREHOUSE": str(home / "warehouse.duckdb"),
        "NURTURE_LEDGER": str(home / "ledger.duckdb"),
        "NURTURE_PUBLISHED": str(home / "kpi.duckdb"),
        "NURTURE_RULES": str(Path(__file__).parent / "rules" / "guide"),
        "NURTURE_SOURCES": str(home / "sources.yaml"),
        "NURTURE_SENDGRID_HOST": sendgrid_url,
        "NURTURE_SENDGRID_API_KEY": "SG.demo",
        "NURTURE_SECRET_KEY": "the demo's secret, good for nothing else",
        "NURTURE_SFA_URL": f"sqlite:///{home / 'sfa.db'}",
        "NURTURE_TIMEZONE": "Asia/Tokyo",
        "DEMO_CRM_URL": f"sqlite:///{folder / 'crm.db'}",
        "DEMO_FOLDER": str(folder),
        "DEMO_HOME": str(home),
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _contact_finder(home: Path, company: Company) -> Callable[[str], int | None]:
    """Sales knows a lead by the address in its SFA."""

    def contact_of(lead_id: str) -> int | None:
        with closing(sqlite3.connect(home / "sfa.db")) as connection:
            row = connection.execute("select email from leads where lead_id = ?", [lead_id]).fetchone()
        return company.contact_id_of(row[0]) if row else None

    return contact_of
