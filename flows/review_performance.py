"""Each week and each month: what changed, what of it is more than noise, and which edit of the rules answers it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from prefect import flow

from flows.runtime import FAULTS, as_only_writer, fail_with, instant
from settings import load_settings
from tasks import steps
from tasks.review import run as review


@flow(name="review-performance")
def review_performance(
    period: Literal["week", "month"] = "week", as_of: datetime | None = None, home: Path | None = None
) -> dict[str, Any]:
    """Review the last whole week (from Monday) or month, keep what was found, report it, and mail it, once.

    It recomputes nothing: it reads the published file, which is brought up to date only where it does not show the
    whole period, and waits for its turn only to write. What a review of a period said stays said: run again, it tells
    the same and mails nobody.

    Args:
        period: week or month.
        as_of: The instant before which the period was over; default now.
        home: Where the files stand; default ``NURTURE_HOME``.

    Returns:
        ``period``, ``is_new``, the counts ``findings``, ``beyond_noise``, ``edits`` and ``notices``, ``notices_sent``,
        and ``report``, the page.

    Raises:
        RunError: The mail provider failed; what it did not get goes with the next run of any flow that gives notice.
    """
    at, faults = instant(as_of), []
    settings = load_settings(home)
    if review.has_to_publish(settings, period, at):
        with as_only_writer(home, at):
            if review.has_to_publish(settings, period, at):  # the run that was waited for may have done so
                steps.publish_kpis(home, at)
    findings = steps.find_what_changed(home, at, period)
    with as_only_writer(home, at):
        result = steps.keep_review(home, at, period, findings)
        result["report"] = steps.write_review(home, at, period)
        try:
            result["notices_sent"] = steps.send_notices(home, at)
        except FAULTS as error:
            faults.append(error)
        if result["is_new"] and review.may_publish_again(settings, at):
            steps.publish_kpis(home, at)
    fail_with(faults)
    return result
