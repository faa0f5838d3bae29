"""Every few minutes: what is new in the sources becomes facts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prefect import flow

from flows.runtime import as_only_writer, fail_with
from tasks import steps
from tasks.errors import RunError
from tasks.pull import PullReport


@flow(name="pull-behavior")
def pull_behavior(as_of: datetime | None = None, home: Path | None = None) -> PullReport:
    """Read what is new in every source into the warehouse.

    Args:
        as_of: The instant of the run; default now, once its turn has come.
        home: Where the warehouse stands; default ``NURTURE_HOME``.

    Raises:
        RunError: A source could not be read; the others were.
    """
    with as_only_writer(home, as_of) as at:
        report = steps.pull_sources(home, at)
    fail_with(unread_sources(report))
    return report


def unread_sources(report: PullReport) -> list[RunError]:
    """What is wrong with the sources that could not be read."""
    return [RunError(str(source.error)) for source in report.failed]
