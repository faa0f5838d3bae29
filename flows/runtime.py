"""What every flow shares: its instant, and the one place in line for those who write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.sync import concurrency
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError

WRITER_LIMIT = "nurture-writer"
"""The global concurrency limit that all flows share; a deployment's own limit would not span deployments."""


def instant(as_of: datetime | None) -> datetime:
    """The run's instant: as given, else now. The only place where a flow reads the clock."""
    if as_of is None:
        return datetime.now(UTC)
    return as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)


@contextmanager
def as_only_writer() -> Iterator[None]:
    """Wait, inside a Prefect run, until no other flow of ours writes.

    The files are locked as well, so this keeps runs in line rather than correct. The limit is made where it is
    missing, since Prefect ignores limits it does not know.
    """
    if FlowRunContext.get() is None:
        yield
        return
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(WRITER_LIMIT)
        except ObjectNotFound:
            try:
                client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=WRITER_LIMIT, limit=1))
            except (ObjectAlreadyExists, PrefectHTTPStatusError):
                client.read_global_concurrency_limit_by_name(WRITER_LIMIT)  # another run has just made it
    with concurrency(WRITER_LIMIT, occupy=1, strict=True, timeout_seconds=1800):
        yield
