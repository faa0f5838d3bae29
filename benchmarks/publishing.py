"""Measures publications: all tables anew, and what a day changed, twice.

The crowd's mails stand in a ledger beside its facts. A day adds visits of an earlier one, mails to one in thirty leads
and what they did with them, late opens of mails of two months, and what turns with time alone. The day after is harder:
of some leads all the mails of the year are looked at, since deals of theirs are won or they turn out to be one, and
there are new leads. Each publication is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.rule_set import bench_rules
from benchmarks.stores import AS_OF, make_store, settings_for
from warehouse.connection import open_ledger, open_warehouse
from warehouse.publish import publish
from warehouse.recompute import recompute

TOMORROW = AS_OF + timedelta(days=1)
DAY_AFTER = TOMORROW + timedelta(days=1)
OWN_URL = "https://nurture.example"
NO_KPI = frozenset(
    {
        "leads", "lead_score_points", "accounts", "lead_accounts", "lead_mail_kinds", "handoff_decisions", "notices",
        "sfa_conflicts", "writing the rest", "Parquet", "onto the disk", "closing the file",
        "a copy of the file before",
    }
)  # fmt: skip
"""The parts of a publication that no KPI table needs."""

Report = Callable[[str], None]

_SENDS = """
insert into sends by name
with mails as (
    select send_id, email, min(occurred_at) as sent_at
    from warehouse.events
    where event_type = 'mail_processed' and send_id is not null and received_at > $since and received_at <= $as_of
    group by send_id, email
),

steps as (select *, row_number() over (order by scenario, step) - 1 as number from warehouse.rule_steps)

select
    mails.send_id,
    identities.lead_id,
    steps.scenario,
    steps.step,
    'default' as variant,
    date_diff('day', timestamptz '2025-01-01 00:00+00', mails.sent_at)::integer as occurrence,
    send_number(mails.send_id, steps.scenario, steps.step, occurrence) as send_number,
    steps.segment,
    'marketing' as category,
    'delivered' as state,
    mails.email,
    mails.sent_at as due_at,
    mails.sent_at as planned_at,
    mails.sent_at,
    mails.sent_at as state_changed_at,
    'bench' as rule_set_version,
from mails
inner join warehouse.lead_identities as identities on mails.email = identities.value and identities.kind = 'email'
inner join steps on hash(mails.send_id) % (select count(*) from steps) = steps.number
order by mails.sent_at
"""
_DECISIONS = """
insert into send_decisions by name
select
    send_number, send_id, lead_id, scenario, step, variant, occurrence, segment, due_at, 'sent' as decision,
    planned_at as decided_at, true as is_final, rule_set_version
from sends
where planned_at > $since
"""
_HANDOFFS = """
insert into handoffs by name
select
    md5(concat(lead_id, changed_at)) as handoff_id, lead_id, 'hot' as cause, cause_event_id::varchar as cause_event_id,
    changed_at as caused_at, concat('rep', hash(lead_id) % 20) as owner, owner as first_owner,
    changed_at + interval 1 hour as handed_off_at, changed_at + interval 48 hours as due_at,
    changed_at + interval 72 hours as second_due_at,
    ['new', 'contacted', 'meeting', 'won', 'returned'][1 + (hash(lead_id) % 5)::bigint] as status,
    changed_at + interval 30 hours as status_changed_at,
    case when hash(lead_id) % 5 > 0 then changed_at + interval 30 hours end as first_contact_at,
    'bench' as rule_set_version,
from warehouse.lead_tier_changes
where to_tier = 'hot' and changed_at > $since and changed_at <= $as_of and hash(lead_id) % 4 = 0
qualify row_number() over (partition by lead_id order by changed_at) = 1
"""
_VISITS = """
insert into events by name
select
    md5(concat('{to}', event_id))::uuid as event_id, source, event_type,
    occurred_at + (timestamptz '{to}' - timestamptz '{since}') as occurred_at,
    occurred_at + (timestamptz '{to}' - timestamptz '{since}') as received_at, email, visitor, url, asset,
    map {{}}::map(varchar, varchar) as properties
from events
where occurred_at >= '{since}' and occurred_at < timestamptz '{since}' + interval 1 day and send_id is null
    and source = 'behaviour'
"""
_MAILS = """
insert into events by name
with one_in_thirty as (
    select *, min(occurred_at) over (partition by send_id) as begun_at
    from events
    where
        occurred_at >= timestamptz '{since}' - interval 30 days and occurred_at < '{since}' and send_id is not null
        and hash(send_id) % 30 = 0 and source = 'behaviour'
)

select
    md5(concat('{to}', event_id))::uuid as event_id, source, event_type,
    timestamptz '{to}' + interval 1 hour + (occurred_at - begun_at) as occurred_at,
    timestamptz '{to}' + interval 1 hour + (occurred_at - begun_at) as received_at, email, visitor, url, asset,
    concat('S', substr(md5(concat('{to}', send_id)), 1, 24)) as send_id, map {{}}::map(varchar, varchar) as properties
from one_in_thirty
"""
_LATE = """
insert into events by name
select
    md5(concat('{to}', 'late', event_id))::uuid as event_id, source, 'mail_open' as event_type,
    timestamptz '{to}' + interval 2 hours as occurred_at, timestamptz '{to}' + interval 2 hours as received_at, email,
    send_id, map {{}}::map(varchar, varchar) as properties
from events
where
    occurred_at >= timestamptz '{since}' - interval 60 days and occurred_at < '{since}'
    and event_type = 'mail_delivered' and hash(event_id) % 1000 = 0
"""


_NEW_LEADS = """
insert into lead_records by name
select
    md5(concat('{to}', number)) as record_id, 'contacts' as source, concat('{to} ', number) as external_id,
    concat('new', number, '@newcomers.example') as email, timestamptz '{to}' + to_seconds(number + 1) as occurred_at,
    occurred_at as received_at, occurred_at as created_at,
    map {{'company': concat('newcomer ', number), 'title': '部長', 'industry': '製造業'}} as attributes
from range({leads} // 365) as numbers(number)
"""
_MERGES = """
insert into lead_records by name
with chosen as (
    select external_id, row_number() over (order by hash(external_id)) as number
    from lead_records
    where source = 'contacts' and external_id is not null and received_at <= '{to}'
    qualify number <= 40
)

select
    md5(concat('{to}', 'merge', odd.number)) as record_id, 'contacts' as source, odd.external_id,
    records.email, timestamptz '{to}' + interval 3 hours as occurred_at,
    timestamptz '{to}' + interval 3 hours as received_at, timestamptz '{to}' + interval 3 hours as created_at,
    map {{}}::map(varchar, varchar) as attributes
from chosen as odd
inner join chosen as even on odd.number + 1 = even.number and odd.number % 2 = 1
inner join lead_records as records on even.external_id = records.external_id and records.source = 'contacts'
where records.email is not null
"""
_DEALS = """
insert into deal_records by name
with chosen as (
    select email, row_number() over (order by hash(email)) as number
    from leads
    where email is not null
    qualify number <= {leads} // 36500
)

select
    md5(concat('{to}', 'deal', number)) as record_id, 'deals' as source, concat('{to} ', number) as deal_id, email,
    if(number % 4 = 0, 'won', 'open') as status, 100000 as amount, timestamptz '{to}' + interval 4 hours as occurred_at,
    occurred_at as received_at, map {{}}::map(varchar, varchar) as attributes
from chosen
"""


@dataclass(frozen=True)
class Publishing:
    """One publication: its seconds, the most memory it held in bytes, and the seconds of its parts."""

    seconds: float
    kpi_seconds: float
    peak_bytes: int
    parts: dict[str, float]


def make_home(folder: Path, leads: int, events: int) -> Path:
    """A home with the crowd's facts, derived, and a ledger of its mails; as of today."""
    home = make_store(folder, leads, events)
    settings = settings_for(home)
    for path in (settings.ledger, settings.published):
        path.unlink(missing_ok=True)
    with open_warehouse(settings) as connection:
        for table in ("events", "lead_records", "deal_records"):
            connection.execute(f"delete from {table} where received_at > $1", [AS_OF])
        recompute(connection, bench_rules(), AS_OF, OWN_URL)
    _fill_ledger(home, AS_OF - timedelta(days=1000), AS_OF)
    return home


def _fill_ledger(home: Path, since: datetime, as_of: datetime) -> None:
    with open_ledger(settings_for(home), with_warehouse=True) as ledger:
        for statement in (_SENDS, _DECISIONS, _HANDOFFS):
            values = {"since": since, "as_of": as_of}
            ledger.execute(statement, {name: value for name, value in values.items() if f"${name}" in statement})


def live_a_day(home: Path, begins_at: datetime = AS_OF, *, is_hard: bool = False) -> dict[str, int]:
    """Let a day go by. Returns how much happened, by what."""
    ends_at = begins_at + timedelta(days=1)
    with open_warehouse(settings_for(home)) as connection:
        (before,) = connection.execute("select count(*) from events").fetchall()[0]
        since = AS_OF - timedelta(days=30)
        for statement in (_VISITS, _MAILS, _LATE):
            connection.execute(statement.format(since=since, to=begins_at))
        (leads,) = connection.execute("select count(*) from leads").fetchall()[0]
        for statement in (_DEALS, _NEW_LEADS, _MERGES) if is_hard else ():
            connection.execute(statement.format(to=begins_at, leads=leads))
        connection.execute("delete from events where received_at > $1", [ends_at])
        (after,) = connection.execute("select count(*) from events").fetchall()[0]
        recompute(connection, bench_rules(), ends_at, OWN_URL)
        told = dict(connection.execute("select table_name, count(*) from derived_changes group by 1").fetchall())
    _fill_ledger(home, begins_at, ends_at)
    with open_ledger(settings_for(home), read_only=True) as ledger:
        (sends,) = ledger.execute("select count(*) from sends where planned_at > $1", [begins_at]).fetchall()[0]
    return {"events": after - before, "sends": sends, **told}


def measure_publishing(
    folder: Path, leads: int, events: int, report: Report
) -> tuple[Publishing, Publishing, Publishing]:
    """Publish anew, and renew a day later and the day after. Returns (anew, a day, a harder day)."""
    report(f"{events:,} events of {leads:,} leads and their mails: making them")
    home = Path(_in_process("home", "--folder", str(folder), "--leads", str(leads), "--events", str(events)))
    report("publishing all anew")
    anew = Publishing(**json.loads(_in_process("publish", "--home", str(home), "--at", AS_OF.isoformat())))
    report(f"a day goes by: {_in_process('day', '--home', str(home))}")
    renewed = Publishing(**json.loads(_in_process("publish", "--home", str(home), "--at", TOMORROW.isoformat())))
    report(f"a harder day goes by: {_in_process('harder day', '--home', str(home))}")
    harder = Publishing(**json.loads(_in_process("publish", "--home", str(home), "--at", DAY_AFTER.isoformat())))
    return anew, renewed, harder


def _publish(home: Path, as_of: datetime) -> Publishing:
    parts: defaultdict[str, float] = defaultdict(float)
    last = ["opening"]
    started = before = time.perf_counter()

    def on_progress(part: str) -> None:
        nonlocal before
        now = time.perf_counter()
        parts[last[-1]] += now - before
        before = now
        last.append(part)

    publish(settings_for(home), as_of, on_progress)
    on_progress("the end")
    seconds = time.perf_counter() - started
    kpi_seconds = sum(spent for part, spent in parts.items() if part not in NO_KPI)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Publishing(seconds, kpi_seconds, peak, {part: round(spent, 2) for part, spent in parts.items()})


def _in_process(name: str, *options: str) -> str:
    command = [sys.executable, "-m", "benchmarks.publishing", "--run", name, *options]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return answer.stdout.splitlines()[-1]


def main() -> None:
    """Measure, or with ``--run`` be one of the processes that are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=100_000_000)
    parser.add_argument("--folder", type=Path, default=Path("var/bench/events_100000000"))
    parser.add_argument("--run", choices=["home", "publish", "day", "harder day"])
    parser.add_argument("--home", type=Path)
    parser.add_argument("--at", type=datetime.fromisoformat)
    options = parser.parse_args()
    if options.run == "home":
        sys.stdout.write(f"{make_home(options.folder, options.leads, options.events)}\n")
    elif options.run == "publish":
        sys.stdout.write(json.dumps(asdict(_publish(options.home, options.at))) + "\n")
    elif options.run == "day":
        sys.stdout.write(json.dumps(live_a_day(options.home)) + "\n")
    elif options.run == "harder day":
        sys.stdout.write(json.dumps(live_a_day(options.home, TOMORROW, is_hard=True)) + "\n")
    else:
        for measured in measure_publishing(options.folder, options.leads, options.events, print):
            sys.stdout.write(f"{measured}\n")


if __name__ == "__main__":
    main()
