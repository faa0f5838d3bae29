"""Writes out what the SFA is to hold, a page at a time, each noted as it is answered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tasks.acts import check_act_instant
from tasks.brief import cause_label, make_brief
from tasks.clients.sfa.protocol import HandoffWrite, LeadWrite, Written, noted
from tasks.mail import one_line
from tasks.sfa_run import SfaRun
from warehouse import follow_ups, sfa_sync
from warehouse.connection import open_ledger
from warehouse.routing import sfa_user_of

_NOTED_AT_ONCE = 25_000
_AGAIN_AFTER = timedelta(days=1)
"""After which a handoff that was refused is tried again as it is: why may have been set right without a trace."""
_GONE = "the record of its person is gone"


class Writing:
    """What one run writes out."""

    def __init__(self, run: SfaRun) -> None:
        self._run = run
        self._found: dict[str, str] = {}  # records by lead that only their other address told of
        self._owners = {owner.id: sfa_user_of(owner) for owner in run.rules.handoff.owners}
        # sales reads the words of a reason, whose ids are ours
        self._reason_labels = {reason.id: reason.label for reason in run.rules.handoff.return_reasons}

    def write_leads(self) -> None:
        """Write what is to be written, and note it some pages at a time: what was not noted is compared anew."""
        last = ""
        while True:
            with open_ledger(self._run.settings, read_only=True) as ledger:
                rows = sfa_sync.page_to_write(ledger, last, _NOTED_AT_ONCE)
            if not rows:
                return
            check_act_instant(self._run.as_of, is_loopback=self._run.sfa.is_local)
            last = rows[-1]["lead_id"]
            answers: list[Written] = []
            try:
                for start in range(0, len(rows), self._run.sfa.page_size):
                    page = self._without_strangers(rows[start : start + self._run.sfa.page_size])
                    answers += self._run.sfa.write_leads([_write_of(row) for row in page])
            finally:
                self._note_written(answers)
            if len(rows) < _NOTED_AT_ONCE:
                return

    def write_handoffs(self) -> None:
        """Write the handoffs that the SFA does not know as they are."""
        with open_ledger(self._run.settings, with_warehouse=True) as ledger:
            rows = follow_ups.handoffs_to_write(ledger)
            records = sfa_sync.records_of(ledger, [row["current_lead_id"] for row in rows])
            seen = follow_ups.seen_in_sfa(ledger, [row["id"] for row in rows])
        records = {**self._found, **records}
        writes = [
            write
            for row in rows
            for write in [self._handoff(row, records, seen.get(row["id"], {}).get("seen", ()))]
            if self._is_to_be_tried(write, seen.get(row["id"]))
        ]
        if not writes:
            return
        check_act_instant(self._run.as_of, is_loopback=self._run.sfa.is_local)
        for start in range(0, len(writes), self._run.sfa.page_size):
            self._write_page(writes[start : start + self._run.sfa.page_size], seen)

    def _write_page(self, page: Sequence[HandoffWrite], seen: Mapping[str, Mapping[str, Any]]) -> None:
        with open_ledger(self._run.settings) as ledger:
            follow_ups.note_given_to_sfa(ledger, [{"handoff_id": one.handoff_id, "held": noted(one)} for one in page])
        answers = self._run.sfa.write_handoffs(page)
        written = [one.key for one in answers if one.verdict == "written"]
        refused = {one.key: one.message or _GONE for one in answers if one.verdict in {"refused", "gone"}}
        with open_ledger(self._run.settings) as ledger:
            follow_ups.mark_written(ledger, written, self._run.as_of)
            follow_ups.mark_unwritten(ledger, [one.key for one in answers if one.verdict == "changed"])
            for write in page:
                if (why := refused.get(write.handoff_id)) is not None:
                    follow_ups.mark_refused(ledger, write.handoff_id, _hash_of(write), why, self._run.as_of)
        self._run.counts["handoffs_written"] += len(written)
        for key, why in refused.items():
            if seen.get(key, {}).get("refused_because") != why:
                self._run.counts["handoffs_refused"] += 1
                self._run.tell(f"SFA: handoff {key} is refused: {why}; it is tried again when something changes")

    def _is_to_be_tried(self, write: HandoffWrite, last: Mapping[str, Any] | None) -> bool:
        """Whether a write may fare otherwise than the last, which was refused."""
        if last is None or last["refused"] is None:
            return True
        return bool(last["refused"] != _hash_of(write) or last["refused_at"] + _AGAIN_AFTER <= self._run.as_of)

    def _note_written(self, answers: Sequence[Written]) -> None:
        written = [
            {
                "lead_id": one.key,
                "sfa_id": one.sfa_id,
                "verdict": one.verdict,
                "message": one.message,
                "kept": sorted(one.kept.items()),
            }
            for one in answers
        ]
        with open_ledger(self._run.settings) as ledger:
            sfa_sync.settle(ledger, written, self._run.as_of)
        self._run.counts["leads_written"] += sum(one.verdict == "written" for one in answers)
        self._run.faults.extend(
            f"the SFA refuses lead {one.key}: {one.message or 'no reason given'}; it waits for the next run"
            for one in answers
            if one.verdict == "refused"
        )
        self._run.tell(f"SFA: {self._run.counts['leads_written']:,} leads written")

    def _without_strangers(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Leave out whom sales has a record of: the next run compares that record, and makes no second one."""
        new = [row["email"] for row in rows if row["sfa_id"] is None and row["email"]]
        there = self._run.sfa.find_leads(new) if new else {}
        if there:
            # an address that is not a record's first tells only now whose it is
            found = {there[row["email"]]: row["lead_id"] for row in rows if row["email"] in there}
            self._found |= {lead_id: sfa_id for sfa_id, lead_id in found.items()}
            with open_ledger(self._run.settings) as ledger:
                sfa_sync.note_found(ledger, found)
        return [row for row in rows if row["sfa_id"] is not None or row["email"] not in there]

    def _handoff(
        self, row: Mapping[str, Any], records: Mapping[str, str], seen: Sequence[Mapping[str, str | None]]
    ) -> HandoffWrite:
        label = cause_label(self._run.rules, row["cause"])
        who = one_line(f"{row.get('company') or ''} {row.get('name') or ''}").strip() or "新しいリード"
        brief = make_brief(row, self._run.rules, self._run.settings.zone).text()
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
            changed_at=row["said_at"],
            seen=seen,
        )


def _hash_of(write: HandoffWrite) -> str:
    """What a write is known by: whatever the SFA is told, and nothing of what it told us."""
    return hashlib.sha256(repr(replace(write, seen=())).encode()).hexdigest()[:32]


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
