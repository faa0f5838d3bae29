"""One delivery run: planned mails are claimed page by page, requests leave some at a time, and answers come back.

Before a request leaves, the ledger says so; before the same mails ride again, what became of it. A run may die anywhere
in between: the next one finds requests that may have left, calls their mails unknown, and only evidence ends that.
Whatever was claimed and not yet handed to a request is planned as before.

One commit finishes the requests of one group and notes those of the next, which are made ready while the former are
under way. The file is never open meanwhile.
"""

from __future__ import annotations

import gc
import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import duckdb
import orjson

from rules.models import RuleSet, Step
from rules.templates import RENDER_ERRORS
from settings import Settings
from tasks.acts import NOW_TOLERANCE
from tasks.brakes import judge
from tasks.clients.sendgrid import Answer, SendGrid
from tasks.clients.sources.errors import SourceError
from tasks.errors import RunError
from tasks.inbox import drain_inbox
from tasks.mail import MAX_PERSONALIZATIONS, build_payload, shown_fields
from tasks.mail_links import signed_links
from tasks.pacing import REQUESTS_AT_A_TIME, Pacing
from warehouse.attempts import Finished, Outcome, Started, finish_attempts, recover, settle, start_attempts
from warehouse.claims import Batch, Claims, Page, cancel_claimed, cancel_expired, paused_scenarios
from warehouse.connection import open_ledger
from warehouse.errors import WarehouseError
from warehouse.sending import note_evidence, recent_mails, recomputed_at

PAGE_SIZE = 250 * MAX_PERSONALIZATIONS

Progress = Callable[[str], None]


@dataclass(frozen=True)
class _Request:
    """A batch made ready to leave.

    ``whole``: as it was claimed; ``refused``: why sends of it that the provider would refuse do not ride.
    """

    batch: Batch
    whole: Batch
    refused: dict[str, str]
    started: Started
    body: bytes


@contextmanager
def _no_collection() -> Iterator[None]:
    """For some milliseconds nothing looks for garbage among thousands of objects that are let go together."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


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
        self._versions = {
            (step.scenario, step.step, variant): version
            for step in rules.steps
            for variant, version in step.versions().items()
        }
        self._templates = {template.id: template for template in rules.templates}
        self._senders = {sender.id: sender for sender in rules.senders}
        self._fields = shown_fields(rules.templates, rules.fields)
        assert settings.secret_key is not None
        self._links = signed_links(settings.public_url, settings.secret_key.get_secret_value())
        entries = [entry.strip().lower() for entry in settings.allowlist.split(",") if entry.strip()]
        self._claims = Claims(
            rules,
            as_of,
            settings.timezone,
            entries if settings.effective_delivery == "allowlist" else None,
            [field.id for field in self._fields],
            MAX_PERSONALIZATIONS,
            PAGE_SIZE,
        )
        self._counts: Counter[str] = Counter()
        self._pacing = Pacing(on_progress)
        self._finished: list[Finished] = []  # not yet noted
        self._waiting: deque[Batch] = deque()
        self._ready: deque[_Request] = deque()
        self._set_aside: dict[tuple[str, str], str] = {}  # why no mail of a sender, or of a template, goes in this run

    def run(self, *, is_confirmed: bool) -> Counter[str]:
        """Deliver what is planned and may go now. Returns sends by what became of them.

        Raises:
            RunError: The provider refuses or cannot be reached, or a brake holds marketing mails.
        """
        brakes = self._rules.delivery.brakes
        with open_ledger(self._settings, with_warehouse=True) as ledger:
            recomputed_at(ledger, self._rules, self._as_of)
            recover(ledger, self._as_of)
            if expired := cancel_expired(ledger, self._rules, self._as_of):
                self._counts["cancelled"] += expired
            waiting = self._claims.waiting(ledger)
            recent = recent_mails(ledger, self._as_of, self._settings.timezone, brakes.within_days)
        marketing = waiting.get("marketing", 0)
        verdict = judge(recent, marketing, brakes)
        for warning in verdict.warnings:
            self._report(f"warning: {warning}")
        faults = []
        if verdict.stops and marketing and not is_confirmed:
            faults.append(
                f"{'; '.join(verdict.stops)}. {marketing:,} marketing mails stay planned: find out why, and then send "
                "them by `nurture send --confirm`, or raise the limit under brakes in delivery.yaml"
            )
            waiting.pop("marketing")
        if waiting:
            self._deliver_pages(sum(waiting.values()), "transactional" if faults else None)
        faults += self._set_aside.values()
        if faults:
            raise RunError("\n".join(faults))
        return self._counts

    def _deliver_pages(self, total: int, category: str | None) -> None:
        done = 0
        page: Page | None = None
        with ThreadPoolExecutor(REQUESTS_AT_A_TIME, thread_name_prefix="delivery") as pool:
            try:
                while page is None or page.after is not None:
                    page = self._next_page(page, category)
                    done += page.cancelled + sum(len(batch.recipients) for batch in page.batches)
                    self._waiting = deque(page.batches)
                    page = replace(page, batches=[])  # each is let go once it has left
                    self._deliver(pool)
                    self._report(f"{done:,} of {total:,} mails")
            except Exception:
                with suppress(WarehouseError):  # the next run settles what this one cannot
                    self._settle()
                raise
        self._settle()

    def _deliver(self, pool: ThreadPoolExecutor) -> None:
        """Deliver what is claimed, in halves where the provider does not say which mail it refuses."""
        while self._waiting or self._ready:
            if self._pacing.must_wait:
                self._wait()
                continue
            self._make_ready()
            group = self._start()
            under_way = [pool.submit(self._client.send, request.body) for request in group]
            self._make_ready()
            answers = [one.result() for one in under_way]
            again: list[Batch] = []
            for request, answer in zip(group, answers, strict=True):
                finished = self._finish(request, answer)
                self._finished.append(finished)
                again += self._left_of(request.batch, answer, finished.rejected)
            if again:
                self._take_back(again)
            self._ready = deque(request for request in self._ready if not self._is_set_aside(request.batch))
            if answers:
                self._pacing.hear(answers)

    def _make_ready(self) -> None:
        """Make as many requests as may leave at once."""
        while self._waiting and len(self._ready) < self._pacing.at_a_time:
            batch = self._waiting.popleft()
            if self._is_set_aside(batch):
                continue
            try:
                self._ready.append(self._request(batch))
            except RENDER_ERRORS as error:
                step = self._step(batch)
                self._set_aside["template", step.template] = (
                    f"mails/{step.template} cannot be rendered: {error}; its mails stay planned"
                )

    def _take_back(self, again: Sequence[Batch]) -> None:
        """Let batches go again before all others."""
        self._waiting.extendleft(reversed([*again, *(request.whole for request in self._ready)]))
        self._ready.clear()

    def _is_set_aside(self, batch: Batch) -> bool:
        step = self._step(batch)
        return not self._set_aside.keys().isdisjoint({("sender", step.sender), ("template", step.template)})

    def _start(self) -> list[_Request]:
        """Note what became of the last requests, and the next ones before they leave."""
        with open_ledger(self._settings, is_brief=True) as ledger:
            finish_attempts(ledger, self._finished, self._as_of)
            if paused := paused_scenarios(ledger):
                self._ready = deque(one for one in self._ready if paused.isdisjoint({"*", one.batch.scenario}))
                self._waiting = deque(one for one in self._waiting if paused.isdisjoint({"*", one.scenario}))
            group = [self._ready.popleft() for _ in range(min(self._pacing.at_a_time, len(self._ready)))]
            for request in group:
                cancel_claimed(ledger, request.refused, self._as_of)
                self._counts["cancelled"] += len(request.refused)
            group = [request for request in group if request.batch.ids]
            if group:
                start_attempts(ledger, [request.started for request in group], self._as_of)
        self._finished = []
        return group

    def _wait(self) -> None:
        """Let go of what is claimed, wait, and look at it once more."""
        self._take_back([])
        left = [batch.ids for batch in self._waiting]
        self._settle()
        self._pacing.wait()
        self._read_inbox()
        with open_ledger(self._settings, with_warehouse=True) as ledger:
            note_evidence(ledger, self._rules, self._as_of)
            page = self._claims.look_again(ledger, left)
        self._counts["cancelled"] += page.cancelled
        self._waiting = deque(page.batches)

    def _next_page(self, last: Page | None, category: str | None) -> Page:
        self._read_inbox()
        with open_ledger(self._settings, with_warehouse=True) as ledger:
            self._note_finished_and_settle(ledger)
            note_evidence(ledger, self._rules, self._as_of)
            page = self._claims.next_page(ledger, last.after if last else None, category)
        self._finished = []
        self._counts["cancelled"] += page.cancelled
        return page

    def _read_inbox(self) -> None:
        """Load what has come in up to this moment: an opt-out is honoured in the requests that follow."""
        is_now = abs(datetime.now(UTC) - self._as_of) <= NOW_TOLERANCE
        # all that is committed counts, whatever the clock of the machine that took it says
        until = datetime.max.replace(tzinfo=UTC) if is_now else self._as_of
        try:
            drain_inbox(self._settings, self._rules.fields, self._as_of, until)
        except SourceError as error:
            raise RunError(f"{error}; nobody is mailed meanwhile") from None

    def _settle(self) -> None:
        with open_ledger(self._settings) as ledger:
            self._note_finished_and_settle(ledger)
        self._finished = []

    def _note_finished_and_settle(self, ledger: duckdb.DuckDBPyConnection) -> None:
        finish_attempts(ledger, self._finished, self._as_of)
        settle(ledger, self._as_of)

    def _request(self, batch: Batch) -> _Request:
        step = self._step(batch)
        with _no_collection():
            payload, refused = build_payload(
                step,
                self._templates[step.template],
                self._senders[step.sender],
                self._fields,
                batch.recipients,
                self._links,
            )
            body = orjson.dumps(payload)
            del payload
        digest = hashlib.sha256(body).hexdigest()
        riding = batch.without(refused) if refused else batch
        started = Started(batch.attempt_id, riding.ids, digest, batch.claimed_for)
        return _Request(riding, batch, refused, started, body)

    def _step(self, batch: Batch) -> Step:
        """The mail as the batch's variant has it; as it is where the rules no longer know the variant."""
        return (
            self._versions.get((batch.scenario, batch.step, batch.variant)) or self._steps[batch.scenario, batch.step]
        )

    def _finish(self, request: _Request, answer: Answer) -> Finished:
        """Count an answer's sends. Returns what it says of them."""
        ids = request.batch.ids
        rejected: list[str] = []
        if answer.verdict in {"rejected", "split"} and len(ids) == 1:
            rejected = list(ids)
        elif answer.verdict == "rejected":
            rejected = [ids[index] for index in answer.rejected if index < len(ids)]
        outcome: Outcome
        match answer.verdict:
            case "accepted" | "unknown":
                outcome = answer.verdict
                self._counts[outcome] += len(ids)
            case "rejected" | "split":
                outcome = "rejected"
                self._counts["rejected"] += len(rejected)
            case _:
                outcome = "not_sent"
        if answer.is_about_sender:
            sender = self._step(request.batch).sender
            self._set_aside["sender", sender] = (
                f"SendGrid refused sender {sender} with {answer.http_status}: {answer.message}; its mails stay "
                "planned. Verify the sender's address or domain at SendGrid, or correct senders.yaml"
            )
        if answer.is_about_template:
            template = self._step(request.batch).template
            self._set_aside["template", template] = (
                f"SendGrid refused mails/{template} with {answer.http_status}: {answer.message}; its mails stay "
                "planned. Correct what it names: the mail's files, or its step"
            )
        return Finished(
            request.started.attempt_id,
            ids,
            outcome,
            answer.http_status,
            answer.message,
            answer.message_id,
            tuple(rejected),
        )

    def _left_of(self, batch: Batch, answer: Answer, rejected: Sequence[str]) -> list[Batch]:
        """What of a batch has to be tried again."""
        match answer.verdict:
            case "accepted" | "unknown":
                return []
            case "rejected" | "split" if not rejected:
                places = range(len(batch.ids))
                half = len(places) // 2
                return [batch.again(places[:half]), batch.again(places[half:])]
            case "rejected" | "split":
                rest = [place for place, send_id in enumerate(batch.ids) if send_id not in rejected]
                return [batch.again(rest)] if rest else []
            case _:
                return [batch.again(range(len(batch.ids)))]
