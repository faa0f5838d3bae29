"""Looks a lead up as the last recompute left it, touching nothing."""

from __future__ import annotations

from typing import Any

from settings import Settings
from warehouse.connection import open_replay
from warehouse.statements import query


def lead_of_address(settings: Settings, address: str) -> dict[str, Any] | None:
    """Return the columns of the lead that bears an address, normalised; None where nobody does.

    Raises:
        WarehouseError: There is no warehouse.
    """
    with open_replay(settings) as connection:
        cursor = connection.execute(query("lead_of_address"), {"email": address})
        columns = [column[0] for column in cursor.description or ()]
        row = cursor.fetchone()
    return None if row is None else dict(zip(columns, row, strict=True))
