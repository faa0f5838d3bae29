"""Takes in what the SFA tells: its changes are noted in the ledger, and what is to stand here becomes facts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.clients.sfa.protocol import Page, SfaDeal, SfaHandoff, SfaLead, changed_since, noted
from tasks.clients.sources.batches import RawBatch, text_array
from tasks.clients.sources.in_memory import in_memory_source, rows_of
from tasks.clients.sources.staging import load_plan
from tasks.clients.sources.targets import Into
from tasks.sfa_run import SfaRun
from warehouse import follow_ups, sfa_sync
from warehouse.connection import open_ledger, open_warehouse
from warehouse.load import load_rows
from warehouse.routing import sfa_user_of

NAME = "sfa"
"""The source that facts from the SFA bear."""
_FACTS_AT_ONCE = 20_000
_LONG_AGO = datetime.fromtimestamp(0, UTC)


class Reading:
    """What one run takes in."""

    def __init__(self, run: SfaRun) -> None:
        self._run = run
        self._users = {sfa_user_of(owner): owner.id for owner in run.rules.handoff.owners}
        # sales writes the words of a reason, whose ids are ours
        self._reasons = {reason.label: reason.id for reason in run.rules.handoff.return_reasons}

    def read_changes(self) -> None:
        """Read what changed there since the last run."""
        sfa = self._run.sfa
        with open_ledger(self._run.settings, read_only=True) as ledger:
            marks = sfa_sync.read_marks(ledger)
        self._read("leads", marks, sfa.lead_changes, lambda one: one.modified_at, self._note_leads)
        self._read("handoffs", marks, sfa.handoff_changes, lambda one: one.changed_at, self._note_handoffs)
        self._read("deals", marks, sfa.deal_changes, lambda one: one.changed_at, self._note_deals)

    def join(self, merged: Sequence[Mapping[str, Any]]) -> None:
        """Two people whom the SFA made one are one here: facts that name both tie them."""
        rows = [
            {
                "email": address,
                "external_id": f"{NAME}:{row['kept_sfa_id']}",
                "occurred_at": row["modified_at"].isoformat(),
            }
            for row in merged
            for address in (row["kept_email"], row["email"])
        ]
        self._load("leads", rows)
        if rows:
            with open_ledger(self._run.settings) as ledger:
                sfa_sync.note_merged(ledger)

    def take_up_deals(self) -> None:
        """Make facts of the deals whose person has become a lead since they were read."""
        while True:
            with open_ledger(self._run.settings, with_warehouse=True) as ledger:
                found = sfa_sync.deals_to_take_up(ledger, _FACTS_AT_ONCE)
            if not found:
                return
            told = [
                {name: one[name] for name in ("deal_id", "email", "status", "amount")}
                | {"occurred_at": one["changed_at"].isoformat()}
                for one in found
            ]
            self._load("deals", told)
            self._run.counts["deals_taken_up"] += len(told)
            with open_ledger(self._run.settings) as ledger:
                sfa_sync.forget_deals(ledger, [one["deal_id"] for one in found])

    def take_over(self) -> None:
        """Make facts of the values of theirs that are to stand here."""
        last = -1
        while True:
            with open_ledger(self._run.settings, read_only=True) as ledger:
                found = sfa_sync.corrections(ledger, last, _FACTS_AT_ONCE)
            if not found:
                break
            last = found[-1][0]
            rows: dict[tuple[str, datetime], dict[str, str | None]] = {}
            for _, one in found:
                row = rows.setdefault(
                    (one["sfa_id"], one["occurred_at"]),
                    {
                        "email": one["email"],
                        "external_id": f"{NAME}:{one['sfa_id']}",
                        "occurred_at": one["occurred_at"].isoformat(),
                    },
                )
                if one["field"] != "email":
                    row[one["field"]] = one["value"]
            # a corrected address is another identity of the same record
            more = [
                {
                    "email": one["value"],
                    "external_id": f"{NAME}:{one['sfa_id']}",
                    "occurred_at": one["occurred_at"].isoformat(),
                }
                for _, one in found
                if one["field"] == "email"
            ]
            self._load("leads", [*rows.values(), *more])
            if len(found) < _FACTS_AT_ONCE:
                break
        with open_ledger(self._run.settings) as ledger:
            ledger.execute("delete from sfa_corrections")
            sfa_sync.settle_unwritten(ledger, self._run.as_of)

    def _read(
        self,
        kind: str,
        marks: Mapping[str, datetime],
        changes: Callable[[datetime | None], Iterable[Page[Any]]],
        changed_at: Callable[[Any], datetime],
        note: Callable[[Sequence[Any]], None],
    ) -> None:
        """Read the changes of one kind of record, a page at a time, and note how far when all are read."""
        until = mark = marks.get(kind)
        for page in changes(None if mark is None else mark - sfa_sync.EARLIER):
            self._run.faults.extend(page.faults)
            if page.rows:
                note(page.rows)
                until = max(filter(None, (until, *(changed_at(row) for row in page.rows))))
                self._run.counts[f"{kind} read"] += len(page.rows)
        # a clock that is ahead there must not hide what comes after
        if until is not None and until != mark:
            with open_ledger(self._run.settings) as ledger:
                sfa_sync.move_mark(ledger, kind, min(until, self._run.as_of))
        if self._run.counts[f"{kind} read"]:
            self._run.tell(f"SFA: {self._run.counts[f'{kind} read']:,} {kind} read")

    def _note_leads(self, rows: Sequence[SfaLead]) -> None:
        told = [
            {
                "sfa_id": row.sfa_id,
                "lead_id": row.lead_id,
                "email": _address(row.email),
                "owner": row.owner,
                "modified_at": row.modified_at,
                "theirs": {**row.values, "email": _address(row.email)},
                "read_only": sorted(row.read_only),
                "state": "merged" if row.merged_into else "deleted" if row.is_deleted else "known",
                "merged_into": row.merged_into,
            }
            for row in rows
        ]
        with open_ledger(self._run.settings) as ledger:
            sfa_sync.note_leads(ledger, told)

    def _note_handoffs(self, rows: Sequence[SfaHandoff]) -> None:
        """What sales did becomes facts: what differs from what was last there, and from what stands here."""
        ids = [row.handoff_id for row in rows]
        with open_ledger(self._run.settings, read_only=True, with_warehouse=True) as ledger:
            stands = follow_ups.stands_of(ledger, ids)
            last = follow_ups.seen_in_sfa(ledger, ids)
        ours = {row.handoff_id: row for row in rows if row.handoff_id in stands}
        told = [self._follow_up(row, stands[key], last.get(key)) for key, row in ours.items()]
        self._load("events", [event for event in told if event is not None])
        found = [
            {"handoff_id": key, "held": noted(row), "stamp": row.changed_at}
            for key, row in ours.items()
            if key not in last or changed_since(row, last[key]["seen"][:1]) or row.changed_at != last[key]["stamp"]
        ]
        if found:
            with open_ledger(self._run.settings) as ledger:
                follow_ups.note_seen_in_sfa(ledger, found)

    def _follow_up(
        self, row: SfaHandoff, stand: Mapping[str, Any], last: Mapping[str, Any] | None
    ) -> dict[str, Any] | None:
        """The event of what sales did with a handoff; None where that is nothing new.

        Args:
            row: The record.
            stand: How the handoff stands here.
            last: What the record held before, and its stamp; None where that was never noted.
        """
        as_of = self._run.as_of
        contact = row.first_contact_at and min(row.first_contact_at, as_of)
        told = {
            "status": row.status,
            "owner": self._users.get(row.owner or "") or stand["owner"],
            # the first contact stays once it is known
            "first_contact_at": stand["first_contact_at"] or contact,
            "outcome": row.outcome,
            "reject_reason": self._reasons.get((row.reject_reason or "").strip(), row.reject_reason),
        }
        seen = last["seen"] if last is not None else ()
        news = {name for name in changed_since(row, seen) if told[name] != stand[name]}
        if not seen and (row.status, row.first_contact_at) == ("new", None) and stand["status"] != "new":
            return None  # it has not heard of what was said by a link
        # a reason is that of the status beside it, and of no other
        if "reject_reason" in news and row.status != stand["status"] and "status" not in news:
            news.remove("reject_reason")
        if not news:
            return None
        is_said = not news.isdisjoint({"status", "reject_reason"})
        # who changes a row and leaves its stamp as it was did so since the last run
        is_forgotten = row.changed_at <= (stand["handed_off_at"] if last is None else last["stamp"] or _LONG_AGO)
        raw = row.first_contact_at.isoformat() if row.first_contact_at else None
        told_texts = [row.status, told["owner"], raw, row.outcome, told["reject_reason"], row.changed_at.isoformat()]
        if is_forgotten:
            told_texts.append(as_of.isoformat())
        key = "\x1f".join(str(part) for part in (row.handoff_id, *told_texts))
        return {
            "event_id": hashlib.sha256(key.encode()).hexdigest()[:32],
            "event_type": follow_ups.EVENT,
            # nobody did anything later than now, whatever the clock there says
            "occurred_at": (as_of if is_forgotten else min(row.changed_at, as_of)).isoformat(),
            "email": stand["email"],
            "external_id": None if stand["email"] else stand["external_id"],
            "properties.handoff_id": row.handoff_id,
            "properties.source": NAME,
            "properties.status": row.status if is_said else None,
            "properties.owner": told["owner"] if "owner" in news else None,
            "properties.first_contact_at": contact.isoformat() if contact and "first_contact_at" in news else None,
            "properties.outcome": row.outcome,
            "properties.reject_reason": told["reject_reason"] if is_said else None,
        }

    def _note_deals(self, rows: Sequence[SfaDeal]) -> None:
        """Deals of leads become facts; those of others are kept until their person is one."""
        with open_ledger(self._run.settings, with_warehouse=True) as ledger:
            addresses = sfa_sync.addresses_of(ledger, [row.sfa_id for row in rows])
            others = [row for row in rows if row.sfa_id not in addresses]
            if others:
                sfa_sync.keep_deals(
                    ledger,
                    [
                        {
                            "deal_id": row.deal_id,
                            "sfa_id": row.sfa_id,
                            "status": row.status,
                            "amount": None if row.amount is None else str(row.amount),
                            "changed_at": row.changed_at,
                        }
                        for row in others
                    ],
                )
        deals = [
            {
                "deal_id": row.deal_id,
                "email": addresses[row.sfa_id],
                "status": row.status,
                "amount": None if row.amount is None else str(row.amount),
                "occurred_at": row.changed_at.isoformat(),
                "attributes.name": row.name,
                "attributes.owner": self._users.get(row.owner or "", row.owner),
            }
            for row in rows
            if row.sfa_id in addresses
        ]
        self._run.counts["deals"] += len(deals)
        self._load("deals", deals)

    def _load(self, into: Into, rows: Sequence[Mapping[str, str | None]]) -> None:
        """Store rows as facts; those that are known add nothing."""
        if not rows:
            return
        names = sorted({name for row in rows for name in row})
        source = in_memory_source(NAME, into, {name: name for name in names}, fields=self._run.rules.fields)
        batch = RawBatch(
            {name: text_array([row.get(name) for row in rows]) for name in names}, list(range(1, len(rows) + 1))
        )
        with open_warehouse(self._run.settings) as connection:
            load_rows(connection, load_plan(source, "UTC"), rows_of(batch, source), self._run.as_of)


def _address(text: str | None) -> str | None:
    """An address as ours are kept."""
    return text.strip().lower() or None if text else None
