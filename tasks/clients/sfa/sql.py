"""The SFA as a SQL database: any that SQLAlchemy reaches, SQLite by default.

Two tables, made where they are missing. ``leads`` is one row a lead given to sales; ``handoffs`` one row a handoff, in
which sales keeps ``status`` (new, contacted, meeting, won, lost, returned), ``first_contact_at``, ``outcome`` and
``reject_reason``. Stamps are ISO 8601 text in UTC, which every database stores alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from settings import LOOPBACK_HOSTS
from tasks.errors import RunError

_METADATA = sa.MetaData()
LEADS = sa.Table(
    "leads",
    _METADATA,
    sa.Column("lead_id", sa.String(64), primary_key=True),
    sa.Column("email", sa.String(320)),
    sa.Column("name", sa.String(200)),
    sa.Column("company", sa.String(200)),
    sa.Column("title", sa.String(200)),
    sa.Column("phone", sa.String(50)),
    sa.Column("score", sa.Integer),
    sa.Column("tier", sa.String(20)),
    sa.Column("stage", sa.String(50)),
    sa.Column("updated_at", sa.String(40)),
)
HANDOFFS = sa.Table(
    "handoffs",
    _METADATA,
    sa.Column("handoff_id", sa.String(64), primary_key=True),
    sa.Column("lead_id", sa.String(64), nullable=False),
    sa.Column("owner", sa.String(100), nullable=False),
    sa.Column("cause", sa.String(200), nullable=False),
    sa.Column("caused_at", sa.String(40), nullable=False),
    sa.Column("due_at", sa.String(40), nullable=False),
    sa.Column("handed_off_at", sa.String(40), nullable=False),
    sa.Column("brief", sa.Text, nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("first_contact_at", sa.String(40)),
    sa.Column("outcome", sa.String(50)),
    sa.Column("reject_reason", sa.String(200)),
    sa.Column("updated_at", sa.String(40), nullable=False),
)
_BATCH = 500


class SqlSfa:
    """The SFA's two tables, written and read in batches."""

    def __init__(self, url: str) -> None:
        parsed = sa.make_url(url)
        if parsed.drivername.startswith("sqlite") and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self._engine = sa.create_engine(parsed)
        socket = str(parsed.query.get("host", ""))
        self.is_local = (
            parsed.drivername.startswith("sqlite")
            or (parsed.host or "") in LOOPBACK_HOSTS
            or (not parsed.host and (not socket or socket.startswith("/")))
        )
        """Whether it stands on this machine."""

    def write_handoffs(self, leads: Sequence[Mapping[str, Any]], handoffs: Sequence[Mapping[str, Any]]) -> None:
        """Bring leads up to date and add the handoffs that are not there. Repeating it changes nothing.

        Raises:
            RunError: The database cannot be written.
        """
        with self._transaction() as connection:
            for batch in _batches(leads):
                _upsert(connection, LEADS, "lead_id", batch, update=True)
            for batch in _batches(handoffs):  # what sales has noted in a handoff is theirs
                _upsert(connection, HANDOFFS, "handoff_id", batch, update=False)

    def read_follow_ups(self, handoff_ids: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
        """What sales noted in these handoffs: status, first_contact_at, outcome, reject_reason.

        Returns:
            The follow-ups, and what is wrong with those that cannot be read.

        Raises:
            RunError: The database cannot be read.
        """
        columns = ("handoff_id", "status", "first_contact_at", "outcome", "reject_reason")
        rows: list[dict[str, Any]] = []
        with self._transaction() as connection:
            for batch in _batches(handoff_ids):
                selection = sa.select(*(HANDOFFS.c[name] for name in columns)).where(
                    HANDOFFS.c.handoff_id.in_(batch),
                    sa.or_(HANDOFFS.c.status != "new", HANDOFFS.c.first_contact_at.is_not(None)),
                )
                rows += [dict(row) for row in connection.execute(selection).mappings()]
        read, faults = [], []
        for row in rows:
            try:
                read.append({**row, "first_contact_at": _instant(row["first_contact_at"])})
            except ValueError:
                faults.append(
                    f"the SFA's handoff {row['handoff_id']} has first_contact_at {row['first_contact_at']!r}; allowed: "
                    "ISO 8601, such as 2026-04-01T09:30:00+09:00; correct it there"
                )
        return read, faults

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                _METADATA.create_all(connection)
                yield connection
        except sa.exc.SQLAlchemyError as error:
            cause = type(getattr(error, "orig", None) or error).__name__
            raise RunError(
                f"the SFA database ({self._engine.url.drivername}) cannot be used: {cause}; "
                "check NURTURE_SFA_URL and that its server runs. Handoffs wait and are written by the next run"
            ) from error
        finally:
            self._engine.dispose()


def stamp(at: datetime) -> str:
    """An instant as the SFA stores it."""
    return at.astimezone(UTC).isoformat()


def _instant(text: str | None) -> datetime | None:
    """A stamp of the SFA; ValueError where it is none."""
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _fitting(table: sa.Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with texts cut to their columns' width: a long title must not keep a lead from sales."""
    widths = {column.name: getattr(column.type, "length", None) for column in table.c}
    return {name: value[: widths[name]] if isinstance(value, str) else value for name, value in row.items()}


def _upsert(
    connection: sa.Connection, table: sa.Table, key: str, rows: Sequence[Mapping[str, Any]], *, update: bool
) -> None:
    ids = [row[key] for row in rows]
    known = set(connection.scalars(sa.select(table.c[key]).where(table.c[key].in_(ids))))
    rows = [_fitting(table, row) for row in rows]
    new = [row for row in rows if row[key] not in known]
    if new:
        connection.execute(table.insert(), new)
    old = [{f"old_{name}": value for name, value in row.items()} for row in rows if row[key] in known]
    if update and old:
        values: dict[str, Any] = {name: sa.bindparam(f"old_{name}") for name in rows[0] if name != key}
        connection.execute(table.update().where(table.c[key] == sa.bindparam(f"old_{key}")).values(values), old)


def _batches(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))
