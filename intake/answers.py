"""Cleans what somebody typed into a form, and tells what is wrong with it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime

from rules.addresses import is_deliverable
from rules.corporate_numbers import corporate_number
from rules.models import FormField

MOST_LETTERS: Mapping[str, int] = {"email": 254, "textarea": 4000}
MOST_LETTERS_ELSE = 200
_SPACES = re.compile(r"[\n\t\u3000\u00a0]")
_UNREADABLE = "\ufffd"
"""What stands where a browser sent what is no UTF-8."""
_TOP_LEVEL = re.compile(r"\.[a-z0-9-]{2,}$")
_NUMBER = re.compile(r"-?([0-9]{1,15}|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]{1,6})?")
_PHONE = re.compile(r"[+0-9][0-9() .-]{5,24}")


def checked(field: FormField, told: list[str]) -> tuple[str, str]:
    """What somebody typed, cleaned, and the name of what is wrong with it, if anything is."""
    if field.kind == "choices":
        chosen = [value for value in field.values if value in told]
        return ";".join(chosen), "required" if field.is_required and not chosen else ""
    value = told[0] if told else ""
    if field.kind == "choice":
        value = value.strip()  # as the rules write it, whatever its width
    elif field.kind == "textarea":
        value = value.replace("\r\n", "\n").replace("\r", "\n").strip()
    else:
        value = unicodedata.normalize("NFKC", value).strip()
    if field.kind == "email":
        value = value.lower()
    if not value:
        return "", "required" if field.is_required else ""
    if _UNREADABLE in value:
        return "", "unreadable"
    return value, _fault(field, value)


def _fault(field: FormField, value: str) -> str:
    if len(value) > MOST_LETTERS.get(field.kind, MOST_LETTERS_ELSE):
        return "too_long"
    if not _SPACES.sub("", value).isprintable() or (field.kind != "textarea" and "\n" in value):
        return "unreadable"
    if field.kind == "email" and not (is_deliverable(value) and _TOP_LEVEL.search(value)):
        return "no_address"
    if field.kind == "tel" and not _PHONE.fullmatch(value):
        return "no_phone"
    if field.kind == "number" and not _NUMBER.fullmatch(value):
        return "no_number"
    if field.kind == "corporate_number" and corporate_number(value) is None:
        return "no_corporate_number"
    if field.kind == "date" and not _is_date(value):
        return "no_date"
    if field.kind == "choice" and value not in field.values:
        return "no_choice"
    if field.kind == "boolean" and value not in {"true", "false"}:
        return "no_choice"
    return ""


def _is_date(value: str) -> bool:
    try:
        return len(value) == 10 and datetime.strptime(value, "%Y-%m-%d").year >= 1900  # noqa: DTZ007
    except ValueError:
        return False
