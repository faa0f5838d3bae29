"""How many requests leave at once, when the next one may, and when a run gives up: told by the answers so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tasks.clients.sendgrid import Answer
from tasks.errors import RunError

REQUESTS_AT_A_TIME = 16
"""Requests under way at once while all is well; after a crash so many may have left."""
MAX_WAITS = 5
MAX_UNREACHABLE = 3


class Pacing:
    """What the answers to requests say about the next ones.

    Attributes:
        at_a_time: How many may leave at once. One request shows whether the provider is well; only then do more go.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self.at_a_time = 1
        self._report = report
        self._not_before = 0.0
        self._wait_seconds = 0.0
        self._unreachable = 0
        self._unanswered = 0
        self._waits = 0

    @property
    def must_wait(self) -> bool:
        """Whether no request may leave yet."""
        return time.monotonic() < self._not_before

    def wait(self) -> None:
        """Wait until one may."""
        if self._wait_seconds >= 1:
            self._report(f"SendGrid takes no requests for now; waiting {self._wait_seconds:.0f} s")
        time.sleep(max(self._not_before - time.monotonic(), 0))

    def hear(self, answers: Sequence[Answer]) -> None:
        """Take in the answers to requests that were under way together.

        Raises:
            RunError: The provider refuses for good, or has been out of reach for too long.
        """
        by_verdict = {answer.verdict: answer for answer in answers}
        if "accepted" in by_verdict:
            self._unreachable = self._waits = self._unanswered = 0
        is_well = by_verdict.keys() == {"accepted"}
        self.at_a_time = min(2 * self.at_a_time, REQUESTS_AT_A_TIME) if is_well else 1
        told = [answer.requests_left for answer in answers if answer.requests_left is not None]
        if told:
            self.at_a_time = max(1, min(self.at_a_time, *told))
        self._wait_for(max(answer.wait_seconds for answer in answers))
        stops = [one for one in answers if one.verdict == "stop"]
        if answer := next((one for one in stops if not (one.is_about_sender or one.is_about_template)), None):
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
            self._wait_for(0.2 * 2**self._unreachable)
        elif "wait" in by_verdict:
            self._waits += 1
            if self._waits > MAX_WAITS:
                raise RunError("SendGrid's rate limit did not lift; the mails left stay planned for the next run")

    def _wait_for(self, seconds: float) -> None:
        self._wait_seconds = seconds
        self._not_before = time.monotonic() + seconds
