"""Keeps leads, handoffs and deals the same here and in the SFA: reads what sales changed, merges, and writes back.

Reading comes first, then what was taken over becomes facts, then the SFA is written a page at a time, each noted as it
is answered. A run that dies anywhere is made good by the next: writes bear our ids, facts are known when they come
again, and both sides are compared anew.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rules.models import RuleSet
from settings import Settings
from tasks.acts import check_act_instant, only_one
from tasks.brief import cause_label, make_brief
from tasks.clients.sfa.connect import connect_sfa
from tasks.clients.sfa.protocol import HandoffWrite, LeadWrite, Page, Sfa, SfaDeal, SfaHandoff, SfaLead, Written
from tasks.clients.sources.batches import RawBatch, text_array
from tasks.clients.sources.in_memory import in_memory_source, rows_of
from tasks.clients.sources.staging import load_plan
from tasks.clients.sources.targets import Into
from tasks.errors import RunError
from tasks.mail import one_line
from warehouse import follow_ups, sfa_sync
from warehouse.connection import open_ledger, open_warehouse
from warehouse.load import load_rows
from warehouse.routing import sfa_user_of

NAME = "sfa"
"""The source that facts from the SFA bear."""
_FACTS_AT_ONCE = 20_000
_NOTED_AT_ONCE = 10_000
_MOST_FAULTS = 20
Tell = Callable[[str], None]


def sync_sfa(settings: Settings, rules: RuleSet, as_of: datetime, tell: Tell = lambda _: None) -> dict[str, int]:
    """Read what sales changed, and write what changed here.

    Args:
        settings: The settings.
        rules: The rule set the warehouse was recomputed with.
        as_of: The instant of the run.
        tell: Told how far it is.

    Returns:
        Counts: ``follow_ups`` and ``deals`` read; ``leads`` compared, ``corrections`` taken over, ``conflicts`` found;
        ``leads_written`` and ``handoffs_written``.

    Raises:
        ConfigurationError: ``as_of`` is not now and the SFA is another machine's.
        RunError: The SFA cannot be used, and what it did not get waits for the next run; or single records could not
            be read or were refused, and all others were synced.
    """
    with only_one(settings, "handoff"):
        sfa = connect_sfa(settings, rules)
        try:
            return _Sync(settings, rules, as_of, sfa, tell).run()
        finally:
            sfa.close()


class _Sync:
    """One run."""

    def __init__(self, settings: Settings, rules: RuleSet, as_of: datetime, sfa: Sfa, tell: Tell) -> None:
        self._settings, self._rules, self._as_of, self._sfa, self._tell = settings, rules, as_of, sfa, tell
        self._counts: Counter[str] = Counter()
        self._faults: list[str] = []
        self._users = {sfa_user_of(owner): owner.id for owner in rules.handoff.owners}
        self._owners = {owner.id: sfa_user_of(owner) for owner in rules.handoff.owners}
        # sales reads and writes the words of a reason, whose ids are ours
        self._reasons = {reason.label: reason.id for reason in rules.handoff.return_reasons}
        self._reason_labels = {reason.id: reason.label for reason in rules.handoff.return_reasons}

    def run(self) -> dict[str, int]:
        with open_ledger(self._settings, read_only=True) as ledger:
            marks = sfa_sync.read_marks(ledger)
        self._read("leads", marks, self._sfa.lead_changes, lambda one: one.modified_at, self._note_leads)
        self._read("handoffs", marks, self._sfa.handoff_changes, lambda one: one.changed_at, self._note_handoffs)
        self._read("deals", marks, self._sfa.deal_changes, lambda one: one.changed_at, self._note_deals)
        with open_ledger(self._settings, with_warehouse=True) as ledger:
            self._counts["follow_ups"] += follow_ups.apply_follow_ups(ledger, self._as_of)
            sfa_sync.begin(ledger, self._rules, self._as_of, self._settings.timezone)
            merged = sfa_sync.merged_records(ledger)
            renamed = sfa_sync.page_to_write(ledger, "", 1)
        self._join(merged)
        if renamed:
            self._write_leads()  # records that are to say which lead theirs turned out to be
        found = sfa_sync.MOST_LEADS
        while found == sfa_sync.MOST_LEADS and (found := self._compare()):
            self._take_over()
            self._write_leads()
        self._write_handoffs()
        names = ("follow_ups", "deals", "leads", "corrections", "conflicts", "leads_written", "handoffs_written")
        counts = {name: self._counts[name] for name in names}
        if self._faults:
            more = len(self._faults) - _MOST_FAULTS
            raise RunError("\n".join([*self._faults[:_MOST_FAULTS], *([f"and {more} more"] if more > 0 else [])]))
        return counts

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
            self._faults += page.faults
            if page.rows:
                note(page.rows)
                until = max(filter(None, (until, *(changed_at(row) for row in page.rows))))
                self._counts[f"{kind} read"] += len(page.rows)
        # a clock that is ahead there must not hide what comes after
        if until is not None and until != mark:
            with open_ledger(self._settings) as ledger:
                sfa_sync.move_mark(ledger, kind, min(until, self._as_of))
        if self._counts[f"{kind} read"]:
            self._tell(f"SFA: {self._counts[f'{kind} read']:,} {kind} read")

    def _note_leads(self, rows: Sequence[SfaLead]) -> None:
        told = [
            {
                "sfa_id": row.sfa_id,
                "lead_id": row.lead_id,
                "email": _address(row.email),
                "owner": row.owner,
                "modified_at": row.modified_at,
                "theirs": {**row.values, "email": _address(row.email)},
                "state": "merged" if row.merged_into else "deleted" if row.is_deleted else "known",
                "merged_into": row.merged_into,
            }
            for row in rows
        ]
        with open_ledger(self._settings) as ledger:
            sfa_sync.note_leads(ledger, told)

    def _note_handoffs(self, rows: Sequence[SfaHandoff]) -> None:
        """What sales did becomes facts, unless it is what stands here already."""
        with open_ledger(self._settings, with_warehouse=True) as ledger:
            stands = follow_ups.stands_of(ledger, [row.handoff_id for row in rows])
        events = []
        for row in rows:
            stand = stands.get(row.handoff_id)
            if stand is None:
                continue
            owner = self._users.get(row.owner or "") or stand["owner"]
            reason = self._reasons.get((row.reject_reason or "").strip(), row.reject_reason)
            # the first contact stays once it is known, which not every SFA keeps to the microsecond
            told = (row.status, owner, stand["first_contact_at"] or row.first_contact_at, row.outcome, reason)
            if told == tuple(
                stand[name] for name in ("status", "owner", "first_contact_at", "outcome", "reject_reason")
            ):
                continue
            if (row.status, row.first_contact_at) == ("new", None) and stand["status"] != "new":
                continue  # it has not heard of what was said by a link
            contact = row.first_contact_at.isoformat() if row.first_contact_at else None
            told_texts = [row.status, owner, contact, row.outcome, reason, row.changed_at.isoformat()]
            key = "\x1f".join(str(part) for part in (row.handoff_id, *told_texts))
            events.append(
                {
                    "event_id": hashlib.sha256(key.encode()).hexdigest()[:32],
                    "event_type": follow_ups.EVENT,
                    "occurred_at": row.changed_at.isoformat(),
                    "email": stand["email"],
                    "external_id": None if stand["email"] else stand["external_id"],
                    "properties.handoff_id": row.handoff_id,
                    "properties.source": "sfa",
                    "properties.status": row.status,
                    "properties.owner": owner if owner != stand["owner"] else None,
                    "properties.first_contact_at": contact,
                    "properties.outcome": row.outcome,
                    "properties.reject_reason": reason,
                }
            )
        self._load("events", events)

    def _note_deals(self, rows: Sequence[SfaDeal]) -> None:
        with open_ledger(self._settings, read_only=True, with_warehouse=True) as ledger:
            addresses = sfa_sync.addresses_of(ledger, [row.sfa_id for row in rows])
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
        self._counts["deals"] += len(deals)
        self._load("deals", deals)

    def _join(self, merged: Sequence[Mapping[str, Any]]) -> None:
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
            with open_ledger(self._settings) as ledger:
                sfa_sync.note_merged(ledger)

    def _compare(self) -> int:
        with open_ledger(self._settings, with_warehouse=True) as ledger:
            found = sfa_sync.plan_round(ledger, self._rules, self._as_of, self._settings.timezone)
        self._counts.update(found)
        if found["leads"]:
            self._tell(f"SFA: {self._counts['leads']:,} leads compared")
        return found["leads"]

    def _take_over(self) -> None:
        """Make facts of the values of theirs that are to stand here."""
        last = -1
        while True:
            with open_ledger(self._settings, read_only=True) as ledger:
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
        with open_ledger(self._settings) as ledger:
            ledger.execute("delete from sfa_corrections")
            sfa_sync.settle_unwritten(ledger, self._as_of)

    def _write_leads(self) -> None:
        """Write what is to be written, and note it some pages at a time: what was not noted is compared anew."""
        last = ""
        while True:
            with open_ledger(self._settings, read_only=True) as ledger:
                rows = sfa_sync.page_to_write(ledger, last, _NOTED_AT_ONCE)
            if not rows:
                return
            check_act_instant(self._as_of, is_loopback=self._sfa.is_local)
            last = rows[-1]["lead_id"]
            answers: list[Written] = []
            try:
                for start in range(0, len(rows), self._sfa.page_size):
                    page = self._without_strangers(rows[start : start + self._sfa.page_size])
                    answers += self._sfa.write_leads([_write_of(row) for row in page])
            finally:
                self._note_written(answers)
            if len(rows) < _NOTED_AT_ONCE:
                return

    def _note_written(self, answers: Sequence[Written]) -> None:
        written = [
            {"lead_id": one.key, "sfa_id": one.sfa_id, "verdict": one.verdict, "message": one.message}
            for one in answers
        ]
        with open_ledger(self._settings) as ledger:
            sfa_sync.settle(ledger, written, self._as_of)
        self._counts["leads_written"] += sum(one.verdict == "written" for one in answers)
        self._faults += [
            f"the SFA refuses lead {one.key}: {one.message or 'no reason given'}; it waits for the next run"
            for one in answers
            if one.verdict == "refused"
        ]
        self._tell(f"SFA: {self._counts['leads_written']:,} leads written")

    def _without_strangers(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Leave out whom sales has entered meanwhile: the next run reads that record, and makes no second one."""
        new = [row["email"] for row in rows if row["sfa_id"] is None and row["email"]]
        there = self._sfa.find_leads(new) if new else {}
        return [row for row in rows if row["sfa_id"] is not None or row["email"] not in there]

    def _write_handoffs(self) -> None:
        with open_ledger(self._settings, with_warehouse=True) as ledger:
            rows = follow_ups.handoffs_to_write(ledger)
            records = sfa_sync.records_of(ledger, [row["current_lead_id"] for row in rows])
        if not rows:
            return
        check_act_instant(self._as_of, is_loopback=self._sfa.is_local)
        for start in range(0, len(rows), self._sfa.page_size):
            page = rows[start : start + self._sfa.page_size]
            answers = self._sfa.write_handoffs([self._handoff(row, records) for row in page])
            written = [one.key for one in answers if one.verdict == "written"]
            with open_ledger(self._settings) as ledger:
                follow_ups.mark_written(ledger, written, self._as_of)
            self._counts["handoffs_written"] += len(written)
            self._faults += [
                f"the SFA refuses handoff {one.key}: {one.message or 'no reason given'}; it waits for the next run"
                for one in answers
                if one.verdict in {"refused", "gone"}
            ]

    def _handoff(self, row: Mapping[str, Any], records: Mapping[str, str]) -> HandoffWrite:
        label = cause_label(self._rules, row["cause"])
        who = one_line(f"{row.get('company') or ''} {row.get('name') or ''}").strip() or "新しいリード"
        brief = make_brief(row, self._rules, self._settings.zone).text()
        return HandoffWrite(
            handoff_id=row["id"],
            lead_id=row["current_lead_id"],
            sfa_id=records.get(row["current_lead_id"]),
            owner=self._owners.get(row["owner"], row["owner"]),
            cause=row["cause"],
            caused_at=row["caused_at"],
            due_at=row["due_at"],
            handed_off_at=row["handed_off_at"],
            subject=f"{who} 様({label})",
            brief=brief,
            status=row["status"],
            first_contact_at=row["first_contact_at"],
            outcome=row["outcome"],
            reject_reason=self._reason_labels.get(row["reject_reason"] or "", row["reject_reason"]),
            changed_at=row["status_changed_at"],
        )

    def _load(self, into: Into, rows: Sequence[Mapping[str, str | None]]) -> None:
        """Store rows as facts; those that are known add nothing."""
        if not rows:
            return
        names = sorted({name for row in rows for name in row})
        source = in_memory_source(NAME, into, {name: name for name in names}, fields=self._rules.fields)
        batch = RawBatch(
            {name: text_array([row.get(name) for row in rows]) for name in names}, list(range(1, len(rows) + 1))
        )
        with open_warehouse(self._settings) as connection:
            load_rows(connection, load_plan(source, "UTC"), rows_of(batch, source), self._as_of)


def _write_of(row: Mapping[str, Any]) -> LeadWrite:
    values: dict[str, str | int | None] = dict(row["given"])
    if values.get("score") is not None:
        values["score"] = int(str(values["score"]))
    return LeadWrite(
        lead_id=row["lead_id"],
        sfa_id=row["sfa_id"],
        values=values,
        owner=row["owner"],
        seen_at=row["seen_at"],
        merged_into=row["merged_into"],
    )


def _address(text: str | None) -> str | None:
    """An address as ours are kept."""
    return text.strip().lower() or None if text else None
