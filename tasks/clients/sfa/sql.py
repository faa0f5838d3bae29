"""The SFA as a SQL database: any that SQLAlchemy reaches, SQLite by default.

Three tables, made where they are missing. In ``leads`` and ``handoffs`` some columns are ours and some are sales', who
notes in ``updated_at`` when it changed a row; ``deals`` is all theirs. Stamps are ISO 8601 text, which every database
stores alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from settings import LOOPBACK_HOSTS
from tasks.clients.sfa.protocol import (
    ENDED,
    STATUSES,
    HandoffWrite,
    LeadWrite,
    Page,
    SfaDeal,
    SfaHandoff,
    SfaLead,
    Written,
    changed_since,
)
from tasks.errors import RunError

_PAGE = 1_000
_DAY = timedelta(days=1)
_DEAL_STATUSES = ("open", "won", "lost")
_Row = TypeVar("_Row")


def make_tables(fields: Mapping[str, str]) -> tuple[sa.Table, sa.Table, sa.Table]:
    """The tables ``leads``, ``handoffs`` and ``deals``; ``fields`` are the synced ones, by our ids."""
    metadata = sa.MetaData()
    widths = {"phone": 50}
    leads = sa.Table(
        "leads",
        metadata,
        sa.Column("lead_id", sa.String(64), primary_key=True),
        sa.Column("email", sa.String(320)),
        *(sa.Column(name, sa.String(widths.get(field, 200))) for field, name in fields.items()),
        sa.Column("score", sa.Integer),
        sa.Column("tier", sa.String(20)),
        sa.Column("stage", sa.String(50)),
        sa.Column("last_action_at", sa.String(40)),
        sa.Column("top_reasons", sa.String(500)),
        sa.Column("owner", sa.String(100)),
        sa.Column("merged_into", sa.String(64)),
        sa.Column("deleted_at", sa.String(40)),
        sa.Column("synced_at", sa.String(40)),
        sa.Column("updated_at", sa.String(40), index=True),
    )
    handoffs = sa.Table(
        "handoffs",
        metadata,
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
    deals = sa.Table(
        "deals",
        metadata,
        sa.Column("deal_id", sa.String(64), primary_key=True),
        sa.Column("lead_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200)),
        sa.Column("owner", sa.String(100)),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("amount", sa.Numeric(18, 2)),
        sa.Column("updated_at", sa.String(40), nullable=False, index=True),
    )
    return leads, handoffs, deals


class SqlSfa:
    """The SFA's tables, written and read in batches.

    Args:
        url: A SQLAlchemy URL.
        fields: The columns of ``leads`` that are synced, by our field ids.
    """

    page_size = _PAGE

    def __init__(self, url: str, fields: Mapping[str, str]) -> None:
        parsed = sa.make_url(url)
        if parsed.drivername.startswith("sqlite") and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self._engine = sa.create_engine(parsed)
        if parsed.drivername.startswith("sqlite"):
            # transactions begin where SQLAlchemy says, and take the lock at once: what is read in one still holds
            sa.event.listen(self._engine, "connect", _leave_transactions_to_us)
            sa.event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("begin immediate"))
        self._fields = {"email": "email", **fields}
        self._leads, self._handoffs, self._deals = make_tables(fields)
        self._is_made = False
        socket = str(parsed.query.get("host", ""))
        self.is_local = (
            parsed.drivername.startswith("sqlite")
            or (parsed.host or "") in LOOPBACK_HOSTS
            or (not parsed.host and (not socket or socket.startswith("/")))
        )
        """Whether it stands on this machine."""

    def lead_changes(self, since: datetime | None) -> Iterator[Page[SfaLead]]:
        """Rows of ``leads`` that sales changed."""
        return self._changes(self._leads, "lead_id", since, self._lead)

    def handoff_changes(self, since: datetime | None) -> Iterator[Page[SfaHandoff]]:
        """Rows of ``handoffs`` that sales changed, and all that are open: many an SFA forgets ``updated_at``."""
        is_open = self._handoffs.c.status.not_in(("new", *ENDED)) | self._handoffs.c.first_contact_at.is_not(None)
        return self._changes(self._handoffs, "handoff_id", since, _handoff, or_where=is_open)

    def deal_changes(self, since: datetime | None) -> Iterator[Page[SfaDeal]]:
        """Rows of ``deals`` that sales changed."""
        return self._changes(self._deals, "deal_id", since, _deal)

    def find_leads(self, emails: Sequence[str]) -> Mapping[str, str]:
        """None: every row of ``leads`` bears an id of ours."""
        return {}

    def write_leads(self, leads: Sequence[LeadWrite]) -> list[Written]:
        """Make or change rows of ``leads``; a row that sales changed meanwhile is left alone."""
        table, stamp_now = self._leads, stamp(datetime.now(UTC))
        widths = _widths(table)
        with self._transaction() as connection:
            keys = [write.sfa_id or write.lead_id for write in leads]
            found = connection.execute(
                sa.select(table.c.lead_id, table.c.updated_at).where(table.c.lead_id.in_(keys)).with_for_update()
            )
            known = {row.lead_id: row.updated_at for row in found}
            results: list[Written] = []
            new: list[dict[str, Any]] = []
            changed: list[dict[str, Any]] = []
            for key, write in zip(keys, leads, strict=True):
                given = self._columns(write)
                row = {**_fitting(widths, given), "lead_id": key, "synced_at": stamp_now}
                if key not in known and write.sfa_id is not None:
                    results.append(Written(write.lead_id, "gone", key))
                elif key in known and write.sfa_id is not None and not _is_same(known[key], write.seen_at):
                    results.append(Written(write.lead_id, "changed", key))
                else:
                    if key in known and write.sfa_id is None:
                        row["deleted_at"] = None  # made anew
                    (changed if key in known else new).append(row)
                    cut = {
                        field: row[name]
                        for field in write.values
                        if row[name := self._fields.get(field, field)] != given[name]
                    }
                    results.append(Written(write.lead_id, "written", key, kept=cut))
            _insert(connection, table, new)
            _update(connection, table, "lead_id", changed)
        return results

    def write_handoffs(self, handoffs: Sequence[HandoffWrite]) -> list[Written]:
        """Make or change rows of ``handoffs``; what sales noted since is left alone."""
        table = self._handoffs
        widths = _widths(table)
        rows = [
            _fitting(
                widths,
                {
                    "handoff_id": write.handoff_id,
                    "lead_id": write.sfa_id or write.lead_id,
                    "owner": write.owner,
                    "cause": write.cause,
                    "caused_at": stamp(write.caused_at),
                    "due_at": stamp(write.due_at),
                    "handed_off_at": stamp(write.handed_off_at),
                    "brief": write.brief,
                    "status": write.status,
                    "first_contact_at": stamp(write.first_contact_at) if write.first_contact_at else None,
                    "outcome": write.outcome,
                    "reject_reason": write.reject_reason,
                    "updated_at": stamp(write.changed_at or write.handed_off_at),
                },
            )
            for write in handoffs
        ]
        keys = [row["handoff_id"] for row in rows]
        with self._transaction() as connection:
            found = connection.execute(sa.select(table).where(table.c.handoff_id.in_(keys)).with_for_update())
            known: dict[str, Mapping[str, Any]] = {row["handoff_id"]: dict(row) for row in found.mappings()}
            changed = set()
            for write, row in zip(handoffs, rows, strict=True):
                there = known.get(write.handoff_id)
                if there is None:
                    continue
                if self._is_changed(there, write, row["updated_at"]):
                    changed.add(write.handoff_id)
                elif _is_newer(there["updated_at"], row["updated_at"]):
                    row["updated_at"] = there["updated_at"]  # saved by sales as it was; no stamp goes back
            _insert(connection, table, [row for row in rows if row["handoff_id"] not in known])
            _update(
                connection, table, "handoff_id",
                [row for row in rows if row["handoff_id"] in known and row["handoff_id"] not in changed],
            )  # fmt: skip
        return [Written(key, "changed" if key in changed else "written", key) for key in keys]

    def close(self) -> None:
        """Let go of connections."""
        self._engine.dispose()

    def _is_changed(self, there: Mapping[str, Any], write: HandoffWrite, stamp_of_ours: str) -> bool:
        """Whether sales changed a row since it was seen."""
        if not write.seen:
            return _is_newer(there["updated_at"], stamp_of_ours)
        try:
            return bool(changed_since(_handoff(there), [_fitting(_widths(self._handoffs), one) for one in write.seen]))
        except _UnreadableError:
            return True

    def _columns(self, write: LeadWrite) -> dict[str, Any]:
        """What a write sets, by column."""
        values = {self._fields.get(name, name): value for name, value in write.values.items()}
        if write.owner is not None:
            values["owner"] = write.owner
        if write.merged_into is not None:
            values["merged_into"] = write.merged_into
        return values

    def _lead(self, row: Mapping[str, Any]) -> SfaLead:
        return SfaLead(
            sfa_id=row["lead_id"],
            lead_id=row["lead_id"],
            modified_at=_instant(row, "updated_at"),
            email=row["email"],
            owner=row["owner"] or None,
            values={field: _text(row[name]) for field, name in self._fields.items()}
            | {name: _text(row[name]) for name in ("score", "tier", "stage", "last_action_at", "top_reasons")},
            is_deleted=bool(row["deleted_at"]),
            merged_into=row["merged_into"] or None,
        )

    def _changes(
        self,
        table: sa.Table,
        key: str,
        since: datetime | None,
        read: Callable[[Any], _Row],
        or_where: sa.ColumnElement[bool] | None = None,
    ) -> Iterator[Page[_Row]]:
        """Yield the rows changed since an instant, a page at a time, with what is wrong with some of them."""
        at, column = table.c.updated_at, table.c[key]
        where: sa.ColumnElement[bool] = at.is_not(None)
        if since is not None:
            # texts are in the order of their instants where all are in UTC; others may be up to a day off
            is_utc = at.like("%+00:00") | at.like("%Z")
            where = (at >= stamp(since)) | (~is_utc & (at >= stamp(since - _DAY)[:10]))
        if or_where is not None:
            where = where | or_where
        last: tuple[str, str] | None = None
        while True:
            query = sa.select(table).where(where).order_by(at, column).limit(_PAGE)
            if last is not None:
                query = query.where((at > last[0]) | ((at == last[0]) & (column > last[1])))
            with self._transaction() as connection:
                rows = connection.execute(query).mappings().all()
            if not rows:
                return
            good, faults = [], []
            for row in rows:
                try:
                    good.append(read(row))
                except _UnreadableError as error:
                    faults.append(f"the SFA's {table.name} row {row[key]} has {error}; correct it there")
            yield Page(good, faults)
            last = (rows[-1]["updated_at"], rows[-1][key])

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                if not self._is_made:
                    self._make(connection)
                yield connection
            self._is_made = True
        except sa.exc.SQLAlchemyError as error:
            cause = type(getattr(error, "orig", None) or error).__name__
            raise RunError(
                f"the SFA database ({self._engine.url.drivername}) cannot be used: {cause}; "
                "check NURTURE_SFA_URL and that its server runs. What it did not get waits for the next run"
            ) from error

    def _make(self, connection: sa.Connection) -> None:
        """Make the tables, and columns that an older one or a new field of the rules lacks."""
        self._leads.metadata.create_all(connection)
        inspector = sa.inspect(connection)
        for table in (self._leads, self._handoffs, self._deals):
            there = {column["name"] for column in inspector.get_columns(table.name)}
            quote = connection.dialect.identifier_preparer.quote
            for column in table.columns:
                if column.name not in there:
                    kind = column.type.compile(connection.dialect)
                    connection.exec_driver_sql(f"alter table {quote(table.name)} add {quote(column.name)} {kind}")


class _UnreadableError(Exception):
    """A row holds what cannot be read; its text says what, and what is allowed."""


def stamp(at: datetime) -> str:
    """An instant as the SFA stores it."""
    return at.astimezone(UTC).isoformat()


def _handoff(row: Mapping[str, Any]) -> SfaHandoff:
    if row["status"] not in STATUSES:
        raise _UnreadableError(f"status {row['status']!r}; allowed: {', '.join(STATUSES)}")
    return SfaHandoff(
        handoff_id=row["handoff_id"],
        changed_at=_instant(row, "updated_at"),
        status=row["status"],
        owner=row["owner"] or None,
        first_contact_at=_instant(row, "first_contact_at") if row["first_contact_at"] else None,
        outcome=row["outcome"] or None,
        reject_reason=row["reject_reason"] or None,
    )


def _deal(row: Mapping[str, Any]) -> SfaDeal:
    if row["status"] not in _DEAL_STATUSES:
        raise _UnreadableError(f"status {row['status']!r}; allowed: {', '.join(_DEAL_STATUSES)}")
    try:
        amount = None if row["amount"] is None else Decimal(str(row["amount"]))
    except InvalidOperation:
        raise _UnreadableError(f"amount {row['amount']!r}; allowed: a number") from None
    return SfaDeal(
        deal_id=row["deal_id"],
        sfa_id=row["lead_id"],
        changed_at=_instant(row, "updated_at"),
        status=row["status"],
        amount=amount,
        name=row["name"] or None,
        owner=row["owner"] or None,
    )


def _instant(row: Mapping[str, Any], column: str) -> datetime:
    try:
        at = datetime.fromisoformat(str(row[column]))
    except ValueError:
        raise _UnreadableError(
            f"{column} {row[column]!r}; allowed: ISO 8601, such as 2026-04-01T09:30:00+09:00"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _text(value: object) -> str | None:
    text = "" if value is None else str(value).strip()
    return text or None


def _is_same(updated_at: str | None, seen_at: datetime | None) -> bool:
    """Whether a row is as it was seen."""
    if not updated_at or seen_at is None:
        return not updated_at and seen_at is None
    try:
        return _instant({"updated_at": updated_at}, "updated_at") == seen_at
    except _UnreadableError:
        return False


def _is_newer(there: str | None, ours: str) -> bool:
    """Whether a row was changed after what is to be written."""
    try:
        return there is not None and _instant({"updated_at": there}, "updated_at") > datetime.fromisoformat(ours)
    except _UnreadableError:
        return True


def _widths(table: sa.Table) -> dict[str, int | None]:
    """How long a text each column takes."""
    return {column.name: getattr(column.type, "length", None) for column in table.c}


def _fitting(widths: Mapping[str, int | None], row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with texts cut to their columns' width: a long title must not keep a lead from sales."""
    return {name: value[: widths[name]] if isinstance(value, str) else value for name, value in row.items()}


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    for names, alike in _alike(rows):
        connection.execute(table.insert(), [{name: row[name] for name in names} for row in alike])


def _update(connection: sa.Connection, table: sa.Table, key: str, rows: Sequence[dict[str, Any]]) -> None:
    for names, alike in _alike(rows):
        values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in names if name != key}
        statement = table.update().where(table.c[key] == sa.bindparam(f"new_{key}")).values(values)
        # plain texts and numbers, which no driver needs translated: SQLAlchemy would look at each of them again
        compiled: Any = statement.compile(dialect=connection.dialect)
        renamed = [{f"new_{name}": row[name] for name in names} for row in alike]
        order = compiled.positiontup
        connection.exec_driver_sql(
            compiled.string, renamed if order is None else [tuple(row[name] for name in order) for row in renamed]
        )


def _alike(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[tuple[str, ...], list[dict[str, Any]]]]:
    """Yield rows that set the same columns together, since a statement sets the same for all."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(sorted(row)), []).append(row)
    yield from groups.items()


def _leave_transactions_to_us(connection: Any, _: object) -> None:
    connection.isolation_level = None
