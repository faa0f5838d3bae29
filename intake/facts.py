"""What the web face took, in the words of the facts: the flows load it as it stands.

Keys are the columns of ``events``, ``leads`` and ``consents`` as sources.yaml names them; ``properties.x`` is a
property.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

import orjson

from intake.inbox import Entry

Row = Mapping[str, str]


def facts_entry(
    kind: str,
    *,
    events: Sequence[Row] = (),
    leads: Sequence[Row] = (),
    consents: Sequence[Row] = (),
    key: str | None = None,
) -> Entry:
    """An entry of rows about one act of one person; of its own, unless ``key`` says which act it is."""
    told = {"events": list(events), "leads": list(leads), "consents": list(consents)}
    body = {into: rows for into, rows in told.items() if rows}
    return Entry(key or uuid.uuid4().hex, kind, orjson.dumps(body).decode())
