"""What every flow shares: the one place in line for those who write, and the instant at which a run's turn comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.concurrency.sync import concurrency
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from rules.errors import ConfigurationError
from settings import load_settings
from tasks.acts import only_one
from tasks.errors import RunError
from warehouse.errors import WarehouseError

WRITER_LIMIT = "nurture-writer"
"""The global concurrency limit that all flows share; a deployment's own limit would not span deployments."""

WAIT_SECONDS = 1800
"""How long a run waits for its turn."""

LEASE_SECONDS = 60
"""A run that was killed holds its place no longer than this; Prefect allows nothing shorter."""


def instant(as_of: datetime | None) -> datetime:
    """The run's instant: as given, else now. The only place where a flow reads the clock."""
    if as_of is None:
        return datetime.now(UTC)
    return as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)


@contextmanager
def as_only_writer(home: Path | None, as_of: datetime | None) -> Iterator[datetime]:
    """Wait until no other flow of ours writes: by a limit inside Prefect runs, by a lock of the home elsewhere.

    The files are locked as well, so this keeps runs in line rather than correct: a run that cannot renew its lease,
    because the server was restarted, goes on. The clock is read when the turn has come, since a run that waited would
    otherwise come with an instant before that of the run it waited for.

    Yields:
        The run's instant.

    Raises:
        RunError: The turn did not come within :data:`WAIT_SECONDS`.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        with only_one(load_settings(home), "run"):
            yield instant(as_of)
        return
    _make_limit()
    with ExitStack() as turn:
        try:
            turn.enter_context(
                concurrency(
                    WRITER_LIMIT,
                    strict=True,
                    timeout_seconds=WAIT_SECONDS,
                    lease_duration=LEASE_SECONDS,
                    holder=ConcurrencyLeaseHolder(type="flow_run", id=context.flow_run.id),
                    raise_on_lease_renewal_failure=False,
                )
            )
        except TimeoutError as error:
            raise RunError(
                f"another run has held the concurrency limit {WRITER_LIMIT} for more than {WAIT_SECONDS:,} s; if none "
                f"of ours is running, free it with `prefect gcl update {WRITER_LIMIT} --active-slots 0`"
            ) from error
        yield instant(as_of)


FAULTS = (RunError, WarehouseError, ConfigurationError)
"""What one part of a run may fail with while its other parts go on."""


def fail_with(faults: Sequence[Exception]) -> None:
    """End a run as failed once its other work is done, with everything that went wrong, a line each.

    Raises:
        ConfigurationError: Where the configuration is at fault: running again will not mend it.
        RunError: Where there is any other fault.
    """
    for fault in faults:
        if isinstance(fault, ConfigurationError):
            raise fault
    if faults:
        raise RunError("\n".join(dict.fromkeys(str(fault) for fault in faults))) from faults[0]


def _make_limit() -> None:
    """Make the limit where it is missing, since Prefect ignores limits it does not know."""
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(WRITER_LIMIT)
        except ObjectNotFound:
            with suppress(ObjectAlreadyExists):  # another run has just made it
                client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=WRITER_LIMIT, limit=1))
