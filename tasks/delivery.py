"""One delivery run: planned mails are claimed, requests leave some at a time, and answers come back.

Before a request leaves, the ledger says so; after it, what became of it. A run may die anywhere in between: the next
one finds sends whose request may have left, calls them unknown, and only evidence ends that. Whatever was claimed and
not yet handed to a request is planned as before.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import orjson

from rules.models import RuleSet
from settings import Settings
from tasks.brakes import judge
from tasks.clients.sendgrid import Answer, SendGrid
from tasks.errors import RunError
from tasks.mail import MAX_PERSONALIZATIONS, build_payload, shown_fields
from tasks.mail_links import signed_links
from warehouse import sending
from warehouse.connection import open_ledger
from warehouse.sending import Batch, Finished

REQUESTS_AT_A_TIME = 8
"""Requests under way at once while all is well; after a crash so many may have left."""
BATCHES_A_CLAIM = 100
"""Batches looked at once more together: the look costs more than each of them."""
MAX_WAITS = 5
MAX_UNREACHABLE = 3

Progress = Callable[[str], None]


@dataclass(frozen=True)
class _Request:
    """A batch made ready to leave, and why sends that the provider would refuse are not in it."""

    attempt_id: str
    batch: Batch
    payload: dict[str, Any]
    digest: str
    refused: dict[str, str]


class Delivery:
    """One delivery run."""

    def __init__(
        self, settings: Settings, rules: RuleSet, as_of: datetime, client: SendGrid, on_progress: Progress
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._as_of = as_of
        self._client = client
        self._report = on_progress
        self._steps = {(step.scenario, step.step): step for step in rules.steps}
        self._templates = {template.id: template for template in rules.templates}
        self._senders = {sender.id: sender for sender in rules.senders}
        self._fields = shown_fields(rules.templates, rules.fields)
        assert settings.secret_key is not None
        self._links = signed_links(settings.public_url, settings.secret_key.get_secret_value())
        self._counts: Counter[str] = Counter()
        self._unreachable = 0
        self._unanswered = 0
        self._waits = 0
        self._at_a_time = 1

    def run(self, *, is_confirmed: bool) -> Counter[str]:
        """Deliver what is planned and may go now. Returns sends by what became of them.

        Raises:
            RunError: The provider refuses or cannot be reached, or a brake holds marketing mails.
        """
        allowlist = (
            [entry.strip().lower() for entry in self._settings.allowlist.split(",") if entry.strip()]
            if self._settings.effective_delivery == "allowlist"
            else None
        )
        brakes = self._rules.delivery.brakes
        with open_ledger(self._settings, with_warehouse=True) as ledger:
            sending.recomputed_at(ledger, self._rules, self._as_of)
            sending.recover(ledger, self._as_of)
            if expired := sending.cancel_expired(ledger, self._rules, self._as_of):
                self._counts["cancelled"] += expired
            batches = sending.planned_batches(
                ledger, self._rules, self._as_of, self._settings.timezone, allowlist, MAX_PERSONALIZATIONS
            )
            recent = sending.recent_mails(ledger, self._as_of, self._settings.timezone, brakes.within_days)
        marketing = sum(len(ids) for scenario, step, ids in batches if self._is_marketing(scenario, step))
        verdict = judge(recent, marketing, brakes)
        for warning in verdict.warnings:
            self._report(f"warning: {warning}")
        is_stopped = bool(verdict.stops) and marketing > 0 and not is_confirmed
        if is_stopped:
            batches = [batch for batch in batches if not self._is_marketing(batch[0], batch[1])]
        total = sum(len(ids) for *_, ids in batches)
        done = 0
        with ThreadPoolExecutor(REQUESTS_AT_A_TIME, thread_name_prefix="delivery") as pool:
            for first in range(0, len(batches), BATCHES_A_CLAIM):
                chunk = batches[first : first + BATCHES_A_CLAIM]
                self._deliver(pool, chunk)
                done += sum(len(ids) for *_, ids in chunk)
                self._report(f"{done:,} of {total:,} mails")
        if is_stopped:
            raise RunError(
                f"{'; '.join(verdict.stops)}. {marketing:,} marketing mails stay planned: find out why, and then send "
                "them by `nurture send --confirm`, or raise the limit under brakes in delivery.yaml"
            )
        return self._counts

    def _is_marketing(self, scenario: str, step: str) -> bool:
        known = self._steps.get((scenario, step))
        return known is None or known.category == "marketing"

    def _deliver(self, pool: ThreadPoolExecutor, batches: Sequence[tuple[str, str, list[str]]]) -> None:
        """Claim batches and deliver them, in halves where the provider does not say which mail it refuses."""
        claimed = deque(self._claim(batches))
        while claimed:
            group = [claimed.popleft() for _ in range(min(self._at_a_time, len(claimed)))]
            requests = [self._request(batch) for batch in group]
            with open_ledger(self._settings) as ledger:
                if any(sending.is_paused(ledger, batch.scenario) for batch in group):
                    claimed.extendleft(reversed(group))
                    claimed = deque(one for one in claimed if not sending.is_paused(ledger, one.scenario))
                    continue
                requests = self._cancel_refused(ledger, requests)
                group = [request.batch for request in requests]
                if not requests:
                    continue
                sending.start_attempts(
                    ledger,
                    [(request.attempt_id, request.batch.ids, request.digest) for request in requests],
                    self._as_of,
                )
            answers = list(pool.map(self._client.send, [request.payload for request in requests]))
            finished = [self._finished(request, answer) for request, answer in zip(requests, answers, strict=True)]
            with open_ledger(self._settings) as ledger:
                sending.finish_attempts(ledger, finished, self._as_of)
            again: list[Batch] = []
            for batch, answer, one in zip(group, answers, finished, strict=True):
                again += self._left_of(batch, answer, one.rejected)
            if self._wait_or_stop(answers):
                # what has waited is looked at once more
                left = [(batch.scenario, batch.step, batch.ids) for batch in (*again, *claimed)]
                claimed = deque(self._claim(left))
            else:
                claimed.extendleft(reversed(again))

    def _left_of(self, batch: Batch, answer: Answer, rejected: Sequence[str]) -> list[Batch]:
        """What of a batch has to be tried again."""
        match answer.verdict:
            case "accepted" | "unknown":
                return []
            case "rejected" | "split" if not rejected:
                half = len(batch.claims) // 2
                return [batch.only(batch.claims[:half]), batch.only(batch.claims[half:])]
            case "rejected" | "split":
                rest = [claim for claim in batch.claims if claim.send_id not in rejected]
                return [batch.only(rest)] if rest else []
            case _:
                return [batch]

    def _wait_or_stop(self, answers: Sequence[Answer]) -> bool:
        """Wait before requests that were not taken are made again, or give up for this run. Returns whether it waited.

        Raises:
            RunError: The provider refuses for good, or has been out of reach for too long.
        """
        by_verdict = {answer.verdict: answer for answer in answers}
        if "accepted" in by_verdict:
            self._unreachable = self._waits = self._unanswered = 0
        # one request shows whether the provider is well; only then do more go at once
        is_well = by_verdict.keys() == {"accepted"}
        self._at_a_time = min(2 * self._at_a_time, REQUESTS_AT_A_TIME) if is_well else 1
        if answer := by_verdict.get("stop"):
            raise RunError(
                f"SendGrid refused with {answer.http_status}: {answer.message}; the mails stay planned. "
                "Check the API key, the verified sender and the account's region"
            )
        if answer := by_verdict.get("unknown"):
            self._unanswered += sum(answer.verdict == "unknown" for answer in answers)
            if self._unanswered >= MAX_UNREACHABLE:
                raise RunError(
                    f"SendGrid does not answer ({answer.message}); what may have left is unknown until its "
                    "events tell, the other mails stay planned for the next run"
                )
        if answer := by_verdict.get("not_sent"):
            self._unreachable += 1
            if self._unreachable >= MAX_UNREACHABLE:
                raise RunError(f"{answer.message}; the mails stay planned. Check NURTURE_SENDGRID_HOST and the network")
            time.sleep(0.2 * 2**self._unreachable)
            return True
        if answer := by_verdict.get("wait"):
            self._waits += 1
            if self._waits > MAX_WAITS:
                raise RunError("SendGrid's rate limit did not lift; the mails left stay planned for the next run")
            time.sleep(max(one.wait_seconds for one in answers))
            return True
        return False

    def _claim(self, batches: Sequence[tuple[str, str, list[str]]]) -> list[Batch]:
        """Look once more at batches. Returns what may go; the rest is cancelled, or stays if paused."""
        with open_ledger(self._settings, with_warehouse=True) as ledger:
            going = []
            for scenario, step, ids in batches:
                if sending.is_paused(ledger, scenario):
                    continue
                if (scenario, step) not in self._steps:
                    sending.cancel(ledger, ids, "step_removed", self._as_of)
                    self._counts["cancelled"] += len(ids)
                    continue
                going.append((scenario, step, ids))
            claimed = sending.claim(ledger, self._rules, going, self._as_of, [field.id for field in self._fields])
        self._counts["cancelled"] += sum(len(ids) for *_, ids in going) - sum(len(batch.claims) for batch in claimed)
        return claimed

    def _cancel_refused(self, ledger: duckdb.DuckDBPyConnection, requests: Sequence[_Request]) -> list[_Request]:
        """Give up the sends that cannot ride. Returns the requests that still carry some."""
        for request in requests:
            for reason in sorted(set(request.refused.values())):
                ids = [send_id for send_id, why in request.refused.items() if why == reason]
                sending.cancel(ledger, ids, reason, self._as_of)
            self._counts["cancelled"] += len(request.refused)
        return [request for request in requests if request.batch.claims]

    def _request(self, batch: Batch) -> _Request:
        step = self._steps[batch.scenario, batch.step]
        payload, refused = build_payload(
            step,
            self._templates[step.template],
            self._senders[step.sender],
            self._fields,
            batch.claims,
            self._links,
        )
        digest = hashlib.sha256(orjson.dumps(payload)).hexdigest()
        riding = batch.only([claim for claim in batch.claims if claim.send_id not in refused]) if refused else batch
        return _Request(uuid.uuid4().hex, riding, payload, digest, refused)

    def _finished(self, request: _Request, answer: Answer) -> Finished:
        """Count an answer's sends. Returns what it says of them."""
        ids = request.batch.ids
        rejected: list[str] = []
        if answer.verdict in {"rejected", "split"} and len(ids) == 1:
            rejected = list(ids)
        elif answer.verdict == "rejected":
            rejected = [ids[index] for index in answer.rejected if index < len(ids)]
        outcome: sending.Outcome
        match answer.verdict:
            case "accepted" | "unknown":
                outcome = answer.verdict
                self._counts[outcome] += len(ids)
            case "rejected" | "split":
                outcome = "rejected"
                self._counts["rejected"] += len(rejected)
            case _:
                outcome = "not_sent"
        return Finished(
            request.attempt_id, outcome, answer.http_status, answer.message, answer.message_id, tuple(rejected)
        )
