"""The 法人番号, by which Japan's tax agency knows every corporation."""

from __future__ import annotations

import unicodedata

from stdnum.jp import cn


def corporate_number(text: str) -> str | None:
    """Return a 法人番号 in its thirteen digits, or None where it is none or its check digit is wrong.

    Width, spaces and hyphens make no difference; a T before it, as on invoices, is taken off.
    """
    digits = cn.compact(cn.compact(unicodedata.normalize("NFKC", text)).upper().removeprefix("T"))
    return digits if cn.is_valid(digits) else None
