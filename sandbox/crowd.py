"""A crowd of simulated leads for load runs: contacts, behaviour and deals as Parquet files, made fast by DuckDB.

Skewed as in life: most leads do little but get mail, few come back again and again; visits fall into working hours and
come in bursts; browsers are anonymous until a form names who uses them. The same seed gives the same files.

Usage::

    python -m sandbox.crowd FOLDER --leads 1000000 --events 100000000
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

DAYS = 360
"""How long the crowd is watched: twelve months of thirty days."""

START = datetime(2025, 3, 31, 15, 0, tzinfo=UTC)
"""Midnight in Tokyo before a Tuesday."""

END = START + timedelta(days=DAYS)
EVENTS_A_VISIT = 5.9
EVENTS_A_MAIL = 2.3

Report = Callable[[str], None]


@dataclass(frozen=True)
class Crowd:
    """What was made: the files, and how many rows they hold."""

    contacts: Path
    behaviour: tuple[Path, ...]
    """One file a month, in order of time."""
    deals: Path
    events: int


def make_crowd(
    folder: Path,
    leads: int,
    events: int,
    *,
    seed: int = 1,
    memory_limit: str = "6GB",
    report: Report = lambda _: None,
) -> Crowd:
    """Write a crowd's files.

    Args:
        folder: Where; made if it is not there.
        leads: How many people, from 1,000 to a few million.
        events: About how many events they cause, within a few percent.
        seed: The same seed gives the same files.
        memory_limit: What DuckDB may use.
        report: Told how far it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set memory_limit = ?", [memory_limit])
        connection.execute("set temp_directory = ?", [str(folder / "spill")])
        connection.execute("set preserve_insertion_order = false")
        connection.execute("set enable_progress_bar = false")
        # a number between 0 and 1 for what and which, the same each time
        connection.execute(
            f"create macro chance(what, which) as ((hash(what, which, {seed}) >> 11) & 1073741823) / 1073741824.0"
        )
        _make_people(connection, leads, events)
        report("people")
        _write_contacts(connection, folder / "contacts.parquet")
        _write_deals(connection, folder / "deals.parquet")
        _make_sessions(connection)
        report("visits and mails")
        total, months = 0, []
        for month in range(DAYS // 30):
            path = folder / f"behaviour_{month + 1:02}.parquet"
            total += _write_month(connection, month, path)
            months.append(path)
            report(f"month {month + 1} of {DAYS // 30}: {total:,} events so far")
    return Crowd(folder / "contacts.parquet", tuple(months), folder / "deals.parquet", total)


def _make_people(connection: duckdb.DuckDBPyConnection, leads: int, events: int) -> None:
    """Each person with a liveliness (log-normal, so that one in a hundred is worth a third) and what follows of it."""
    mails = 12
    visits = max(0.0, events / leads - mails * EVENTS_A_MAIL) / EVENTS_A_VISIT
    connection.execute(
        f"""
        create table people as
        with lively as (
            select
                number,
                exp(1.9 * sqrt(-2 * ln(1 - chance(number, 1))) * cos(2 * pi() * chance(number, 2))) as liveliness,
                -- few companies have many of the leads
                floor(pow(chance(number, 3), 2.5) * {max(1, leads // 3)})::bigint as company,
            from range({leads}) as people(number)
        )

        select
            number,
            company,
            least(liveliness, 3000) as liveliness,
            least(0.9, 0.08 + liveliness / 25) as open_rate,
            round(
                least(liveliness, 3000) * {visits} / (select avg(least(liveliness, 3000)) from lively)
                + chance(number, 4) - 0.5
            )::integer as visits,
            -- some write from free mail, which names no company
            case
                when chance(number, 5) < 0.12 then 'person' || number || '@freemail.example'
                else 'person' || number || '@company' || company || '.example'
            end as mail,
        from lively
        """
    )


def _write_contacts(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.execute(
        f"""
        copy (
            select
                'C' || number as id,
                mail,
                ['佐藤', '鈴木', '高橋', '田中', '伊藤', '渡辺', '山本', '中村'][1 + (hash(number, 6) % 8)::bigint]
                || ' ' || ['花子', '一郎', '次郎', '陽子', '誠', '明'][1 + (hash(number, 7) % 6)::bigint] as name,
                ['株式会社会社', '会社', '㈱会社', '(株)会社'][1 + (hash(number, 8) % 4)::bigint] || company as company,
                ['部長', '営業部長', '課長', '担当', '副部長', '代表取締役', '係長'][1 + (hash(number, 9) % 7)::bigint]
                as title,
                ['製造業', 'IT', '金融', '小売', '建設業'][1 + (hash(company, 10) % 5)::bigint] as industry,
                round(exp(3 + 2.5 * chance(company, 11)))::integer as employees,
                ['東京都', '大阪府', '愛知県', '福岡県', '神奈川県'][1 + (hash(company, 12) % 5)::bigint] as region,
                timestamptz '{START}' + to_seconds(floor({DAYS - 30} * 86400 * chance(number, 13))) as updated_at,
            from people
            order by updated_at
        ) to '{path}' (compression zstd)
        """
    )


def _write_deals(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.execute(
        f"""
        copy (
            with opened as (
                select
                    number,
                    mail,
                    timestamptz '{START}'
                    + to_seconds(floor((60 + {DAYS - 150} * chance(number, 14)) * 86400)) as opened_at,
                    100000 * (1 + floor(30 * chance(number, 15)))::integer as amount,
                from people
                where chance(number, 16) < 0.01
            )

            select 'D' || number as deal, mail, 'open' as state, amount, opened_at as changed_at from opened
            union all
            select
                'D' || number as deal,
                mail,
                case when chance(number, 17) < 0.3 then 'won' else 'lost' end as state,
                amount,
                opened_at + to_seconds(floor(86400 * (5 + 80 * chance(number, 18)))) as changed_at,
            from opened
            where chance(number, 19) < 0.7
            order by changed_at
        ) to '{path}' (compression zstd)
        """
    )


def _make_sessions(connection: duckdb.DuckDBPyConnection) -> None:
    """What each person does and gets: visits in bursts, on workdays and in working hours, and a mail a month."""
    connection.execute(
        f"""
        create table sessions as
        with visits as (
            select
                number,
                mail,
                unnest(range(visits)) as nth,
                visits,
                company,
            from people
            where visits > 0
        ),

        dated as (
            select
                *,
                number * 65536 + nth as session,
                -- some five visits come in a burst, within days of each other
                floor(
                    {DAYS} * chance(number * 65536 + nth // 5, 20) - 4 * ln(1 - chance(number * 65536 + nth, 21))
                )::integer % {DAYS} as day,
            from visits
        )

        select
            number,
            mail,
            session,
            'visit' as kind,
            -- weekends are quiet: two of three visits meant for them happen in the week after
            case
                when day % 7 in (4, 5) and chance(session, 22) < 0.67
                    then (day + 2 + (hash(session) % 5)::integer) % {DAYS}
                else day
            end as day,
            case
                when chance(session, 23) < 0.88 then 9 + 10 * chance(session, 24)
                else 24 * chance(session, 24)
            end as hour,
            1 + floor(-5.4 * ln(1 - chance(session, 25)))::integer as length,
            -- the first visits are anonymous until one fills in a form
            chance(session, 26) < case when nth = 0 then 0.5 else 0.05 end as has_form,
            -- two browsers a person; now and then a colleague's
            case
                when chance(session, 27) < 0.002 then 'browser' || (number + 1) || 'a'
                when chance(number, 28) < 0.4 and session % 3 = 0 then 'browser' || number || 'b'
                else 'browser' || number || 'a'
            end as visitor,
            0.0 as open_rate,
        from dated
        union all
        select
            number,
            mail,
            -(number * 16 + month) - 1 as session,
            'mail' as kind,
            month * 30 + 1 + (hash(number, 29) % 4)::integer as day,
            10.0 as hour,
            2 as length,
            false as has_form,
            null as visitor,
            open_rate,
        from (select number, mail, open_rate, unnest(range({DAYS // 30})) as month from people)
        """
    )


def _write_month(connection: duckdb.DuckDBPyConnection, month: int, path: Path) -> int:
    row = connection.execute(
        f"""
        copy (
            with happening as (
                select
                    *,
                    timestamptz '{START}' + to_seconds(floor(day * 86400 + hour * 3600)) as started_at,
                from sessions
                where day >= {month * 30} and day < {month * 30 + 30}
            ),

            views as (
                select
                    session, visitor, null as mail, started_at, 'page_view' as type,
                    unnest(range(length)) as nth,
                    null as send,
                from happening
                where kind = 'visit'
            ),

            forms as (
                select
                    session, visitor, mail,
                    started_at + to_seconds(length * 45) as started_at,
                    case
                        when chance(session, 30) < 0.7 then 'document_download'
                        when chance(session, 30) < 0.85 then 'seminar_signup'
                        when chance(session, 30) < 0.96 then 'seminar_attend'
                        else 'consultation_request'
                    end as type,
                    -1 as nth,
                    null as send,
                from happening
                where has_form
            ),

            mails as (
                select
                    session, null as visitor, mail,
                    started_at
                    + to_seconds(
                        case what
                            when 'mail_processed' then 0
                            when 'mail_delivered' then 4
                            when 'mail_open' then floor(-7200 * ln(1 - chance(session, 31)))
                            else floor(-7200 * ln(1 - chance(session, 31))) + 40
                        end
                    ) as started_at,
                    what as type,
                    -2 as nth,
                    'S' || substr(md5(session::varchar), 1, 24) as send,
                from (
                    select
                        *,
                        unnest(['mail_processed', 'mail_delivered', 'mail_open', 'mail_click']) as what,
                    from happening
                    where kind = 'mail'
                )
                where
                    what in ('mail_processed', 'mail_delivered')
                    or (what = 'mail_open' and chance(session, 32) < open_rate)
                    or (what = 'mail_click' and chance(session, 32) < open_rate * 0.2)
            ),

            happened as (
                select * from views
                union all
                select * from forms
                union all
                select * from mails
            )

            select
                hash(session, nth, type)::varchar as id,
                type,
                visitor,
                mail,
                case
                    when type = 'page_view' then
                        [
                            '/', '/blog/' || hash(session, nth) % 3000, '/blog/' || hash(session, nth) % 300,
                            '/products/' || hash(session, nth) % 40, '/cases/' || hash(session, nth) % 60, '/price',
                            '/recruit', '/seminar/' || hash(session, nth) % 20, '/company', '/news/'
                            || hash(session, nth) % 500
                        ][1 + floor(10 * chance(session * 64 + nth, 33))::integer]
                    when type = 'mail_click' then 'https://www.example.com/cases/' || hash(session) % 60
                end as path,
                case
                    when type = 'document_download' then
                        ['guide', 'white-paper-' || hash(session) % 20, 'case-studies-' || hash(session) % 10][
                            1 + floor(3 * chance(session, 34))::integer
                        ]
                end as asset,
                send,
                started_at + to_seconds(greatest(nth, 0) * 45 + floor(30 * chance(session * 64 + nth, 35)))
                as happened_at,
            from happened
            order by happened_at
        ) to '{path}' (compression zstd)
        """
    ).fetchone()
    assert row is not None
    return int(row[0])


def main() -> None:
    """Write a crowd's files, from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--leads", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=100_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.monotonic()

    def report(message: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {message}", file=sys.stderr, flush=True)

    crowd = make_crowd(options.folder, options.leads, options.events, seed=options.seed, report=report)
    print(f"{crowd.events:,} events in {options.folder}")


if __name__ == "__main__":
    main()
