"""Decides which mails are due, and delivers each once.

Before a request leaves, the ledger says so; after it, what became of it. A run may die anywhere in between: the next
one finds sends whose request may have left, calls them unknown, and only evidence ends that.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import orjson

from rules.models import RuleSet
from settings import Settings
from tasks.acts import check_act_instant, mail_client, only_one
from tasks.brakes import judge
from tasks.clients.sendgrid import Answer, SendGrid
from tasks.errors import RunError
from tasks.mail import MAX_PERSONALIZATIONS, build_payload, opt_out_link
from warehouse import sending
from warehouse.connection import check_instant, open_ledger

MAX_WAITS = 5
MAX_UNREACHABLE = 3

Progress = Callable[[str], None]


def plan_sends(settings: Settings, rules: RuleSet, as_of: datetime) -> dict[str, int]:
    """Enrol, and decide every send that is due. Returns the number of decisions by name."""
    with only_one(settings, "send"), open_ledger(settings, with_warehouse=True) as ledger:
        sending.recomputed_at(ledger, rules, as_of)
        sending.recover(ledger, as_of)
        sending.apply_evidence(ledger, rules, as_of)
        check_instant(ledger, "send", as_of)
        return sending.plan_sends(ledger, rules, as_of, settings.timezone)


def deliver_sends(
    settings: Settings,
    rules: RuleSet,
    as_of: datetime,
    on_progress: Progress | None = None,
    *,
    is_confirmed: bool = False,
) -> Counter[str]:
    """Deliver what is planned.

    Args:
        settings: The settings.
        rules: The rule set the warehouse was recomputed with.
        as_of: The instant of the run.
        on_progress: Told how far it is.
        is_confirmed: Somebody has looked: marketing mails go whatever the brakes say.

    Returns:
        Sends by what this run made of them.

    Raises:
        ConfigurationError: Delivery is on and cannot work as configured.
        RunError: The provider refuses or cannot be reached, or a brake holds marketing mails; they stay planned.
    """
    client = mail_client(settings)
    if client is None:
        return Counter()
    check_act_instant(as_of, is_loopback=settings.is_sendgrid_loopback)
    with only_one(settings, "send"):
        return _Delivery(settings, rules, as_of, client, on_progress or (lambda _: None)).run(is_confirmed=is_confirmed)


def waiting_sends(settings: Settings) -> int:
    """How many sends are planned and not delivered."""
    with open_ledger(settings, read_only=True) as ledger:
        row = ledger.execute("select count(*) from sends where state = 'planned'").fetchone()
    return int(row[0]) if row else 0


class _Delivery:
    """One delivery run: batches out, answers back."""

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
        self._fields = [field for field in rules.fields if not field.system]
        assert settings.secret_key is not None
        self._link_for = opt_out_link(settings.public_url, settings.secret_key.get_secret_value())
        self._counts: Counter[str] = Counter()
        self._unreachable = 0
        self._unanswered = 0
        self._waits = 0

    def run(self, *, is_confirmed: bool) -> Counter[str]:
        allowlist = (
            [entry.strip().lower() for entry in self._settings.allowlist.split(",") if entry.strip()]
            if self._settings.effective_delivery == "allowlist"
            else None
        )
        with open_ledger(self._settings, with_warehouse=True) as ledger:
            sending.recover(ledger, self._as_of)
            batches = sending.planned_batches(
                ledger, self._rules, self._as_of, self._settings.timezone, allowlist, MAX_PERSONALIZATIONS
            )
            brakes = self._rules.delivery.brakes
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
        for scenario, step, send_ids in batches:
            self._deliver(scenario, step, send_ids)
            done += len(send_ids)
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

    def _deliver(self, scenario: str, step: str, send_ids: Sequence[str]) -> None:
        """Deliver one batch, in halves where the provider does not say which mail it refuses."""
        pending = deque([list(send_ids)])
        while pending:
            attempt_id = uuid.uuid4().hex
            claimed = self._claim(scenario, step, pending.popleft(), attempt_id)
            if claimed is None:
                continue
            ids, payload = claimed
            answer = self._client.send(payload)
            rejected = self._record(attempt_id, ids, answer)
            match answer.verdict:
                case "accepted":
                    self._unreachable = self._waits = self._unanswered = 0
                case "unknown":
                    self._unanswered += 1
                    if self._unanswered >= MAX_UNREACHABLE:
                        raise RunError(
                            f"SendGrid does not answer ({answer.message}); what may have left is unknown until its "
                            "events tell, the other mails stay planned for the next run"
                        )
                case "rejected" if rejected:
                    if rest := [send_id for send_id in ids if send_id not in rejected]:
                        pending.appendleft(rest)
                case "rejected" | "split":
                    if len(ids) > 1:
                        pending.extendleft((ids[len(ids) // 2 :], ids[: len(ids) // 2]))
                case _:
                    self._wait_or_stop(answer)
                    pending.appendleft(ids)

    def _wait_or_stop(self, answer: Answer) -> None:
        """Wait before a request that was not taken is made again, or give up for this run.

        Raises:
            RunError: The provider refuses for good, or has been out of reach for too long.
        """
        if answer.verdict == "wait":
            self._waits += 1
            if self._waits > MAX_WAITS:
                raise RunError("SendGrid's rate limit did not lift; the mails left stay planned for the next run")
            time.sleep(answer.wait_seconds)
        elif answer.verdict == "not_sent":
            self._unreachable += 1
            if self._unreachable >= MAX_UNREACHABLE:
                raise RunError(f"{answer.message}; the mails stay planned. Check NURTURE_SENDGRID_HOST and the network")
            time.sleep(0.2 * 2**self._unreachable)
        else:
            raise RunError(
                f"SendGrid refused with {answer.http_status}: {answer.message}; the mails stay planned. "
                "Check the API key, the verified sender and the account's region"
            )

    def _claim(
        self, scenario: str, step_id: str, send_ids: Sequence[str], attempt_id: str
    ) -> tuple[list[str], dict[str, Any]] | None:
        """Look once more at the batch, make its request, and note that it is about to leave."""
        with open_ledger(self._settings, with_warehouse=True) as ledger:
            if sending.is_paused(ledger, scenario):
                return None
            step = self._steps.get((scenario, step_id))
            if step is None:
                sending.cancel(ledger, send_ids, "step_removed", self._as_of)
                self._counts["cancelled"] += len(send_ids)
                return None
            claims = sending.claim(ledger, self._rules, send_ids, self._as_of)
            self._counts["cancelled"] += len(send_ids) - len(claims)
            if not claims:
                return None
            payload = build_payload(
                step,
                self._templates[step.template],
                self._senders[step.sender],
                self._fields,
                claims,
                self._link_for,
            )
            ids = [claim.send_id for claim in claims]
            digest = hashlib.sha256(orjson.dumps(payload)).hexdigest()
            sending.start_attempt(ledger, attempt_id, ids, digest, self._as_of)
        return ids, payload

    def _record(self, attempt_id: str, ids: Sequence[str], answer: Answer) -> list[str]:
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
        with open_ledger(self._settings) as ledger:
            sending.finish_attempt(
                ledger,
                attempt_id,
                outcome,
                self._as_of,
                http_status=answer.http_status,
                message=answer.message,
                message_id=answer.message_id,
                rejected=rejected,
            )
        return rejected
