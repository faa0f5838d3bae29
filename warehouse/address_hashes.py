"""Makes of an address what may be kept after its erasure: a hash under NURTURE_SECRET_KEY, which nobody can read back.

An opt-out has to outlive an erasure, or whoever comes back by an import would be mailed again. A hash bears a mark of
its key, so that opt-outs that can no longer be recognised stop a run instead of being passed over.
"""

from __future__ import annotations

import hashlib
import hmac

import duckdb
from pydantic import SecretStr

from warehouse.errors import WarehouseError

_MARK_LETTERS = 8


class AddressHash:
    """The SQL function ``address_hash``: HMAC-SHA-256 over a normalised address; NULL where there is no key."""

    def __init__(self, key: SecretStr | None) -> None:
        self._key = key
        self._mark = "" if key is None else self._digest("")[:_MARK_LETTERS]

    def __call__(self, email: str | None) -> str | None:
        """Return ``mark:hash``."""
        return None if email is None or self._key is None else f"{self._mark}:{self._digest(email)}"

    def _digest(self, text: str) -> str:
        assert self._key is not None
        return hmac.digest(self._key.get_secret_value().encode(), text.encode(), hashlib.sha256).hex()


def check_hashes(connection: duckdb.DuckDBPyConnection) -> None:
    """Make sure that kept hashes can be compared with addresses.

    Raises:
        WarehouseError: There are some, made under another key than this run has.
    """
    kept = connection.execute(
        "select distinct split_part(email_hash, ':', 1) from main.suppression_records where email_hash is not null"
    ).fetchall()
    if not kept:
        return
    row = connection.execute("select split_part(address_hash(''), ':', 1)").fetchone()
    if kept != [row]:
        raise WarehouseError(
            "opt-outs of erased people are kept as hashes under another NURTURE_SECRET_KEY than this one, and could "
            "not be recognised; set the key they were made under"
        )
