"""The simulated company's CRM: a SQLite file as a customer's would be, which the engine only reads.

What happens is collected and written in one short transaction, so that a reader never waits for a simulation.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.clock import from_epoch, iso
from sandbox.people import Lead

_SCHEMA = """
create table contacts (
    id integer primary key, mail text not null, full_name text, company_name text, job_title text, phone text,
    industry text, employees integer, revenue integer, region text, topics text,
    consent_basis text, consent_evidence text, created_at text not null, updated_at text not null
);
create index contacts_updated_at on contacts (updated_at);
create index contacts_mail on contacts (mail);
create table form_posts (
    id integer primary key, form text not null, mail text not null, cookie text, asset text, posted_at text not null
);
create index form_posts_posted_at on form_posts (posted_at);
create table deals (
    id text primary key, contact_id integer, status text not null, amount integer, changed_at text not null
);
create index deals_changed_at on deals (changed_at);
create table mail_unsubscribe (
    id integer primary key, mail text not null, send_id text, occurred_at text not null
);
create index mail_unsubscribe_occurred_at on mail_unsubscribe (occurred_at);
"""
_CONTACT = "insert into contacts values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_EDIT = "update contacts set topics = ?, consent_basis = ?, consent_evidence = ?, updated_at = ? where id = ?"
_POST = "insert into form_posts (form, mail, cookie, asset, posted_at) values (?, ?, ?, ?, ?)"
_OPT_OUT = "insert into mail_unsubscribe (mail, send_id, occurred_at) values (?, ?, ?)"
_DEAL = """
insert into deals values (?, ?, ?, ?, ?)
on conflict (id) do update set status = excluded.status, amount = excluded.amount, changed_at = excluded.changed_at
where deals.status <> excluded.status
"""


class Crm:
    """Collects changes of the CRM and writes them.

    Args:
        path: The SQLite file, to be created.

    Raises:
        FileExistsError: The file is there already; a simulation does not take up where another ended.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise FileExistsError(f"{path} is there already; simulate into an empty folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._waiting: list[tuple[str, tuple[Any, ...]]] = []
        self._contacts = 0
        with connect(path) as connection:
            connection.executescript(_SCHEMA)

    def add_contact(self, lead: Lead, at: int) -> None:
        """Enters a person, and tells the lead its contact's id."""
        self._contacts += 1
        lead.contact_id = self._contacts
        firm, stamp = lead.firm, iso(from_epoch(at))
        person = (lead.contact_id, lead.mail, lead.full_name, firm.name, lead.job_title or None, lead.phone)
        company = (firm.industry, firm.employees, firm.revenue, firm.region)
        consent = (";".join(lead.topics), lead.consent_basis, lead.consent_evidence)
        self._waiting.append((_CONTACT, (*person, *company, *consent, stamp, stamp)))

    def edit_contact(self, lead: Lead, at: int) -> None:
        """Writes what a form post changes: topics and consent."""
        consent = (";".join(lead.topics), lead.consent_basis, lead.consent_evidence)
        self._waiting.append((_EDIT, (*consent, iso(from_epoch(at)), lead.contact_id)))

    def add_post(self, form: str, mail: str, cookie: str, asset: str | None, at: int) -> None:
        """Enters a form that was posted."""
        self._waiting.append((_POST, (form, mail, cookie, asset, iso(from_epoch(at)))))

    def add_opt_out(self, mail: str, send_id: str | None, at: int) -> None:
        """Notes who said no to further mail, so that a test can ask whether any went out after it."""
        self._waiting.append((_OPT_OUT, (mail, send_id, iso(from_epoch(at)))))

    def flush(self) -> None:
        """Writes all that was collected, in one transaction."""
        if self._waiting:
            with connect(self.path) as connection:
                for statement, values in self._waiting:
                    connection.execute(statement, values)
            self._waiting.clear()


@contextlib.contextmanager
def connect(path: Path) -> Iterator[sqlite3.Connection]:
    """Opens the file for one transaction: committed at the end, closed in any case."""
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        yield connection


def put_deals(path: Path, deals: list[tuple[str, int, str, int, str]]) -> None:
    """Enters deals, or moves them on: id, contact_id, status, amount in yen, changed_at."""
    with connect(path) as connection:
        connection.executemany(_DEAL, deals)
