"""Reads named lists of values: those of ``lists.yaml`` and those that ship.

What ships are domains that belong to no company: free mail, and mail for one use (the list of the package
``disposable-email-domains``, as new as the installed package).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from disposable_email_domains import blocklist

from rules.documents import Document
from rules.errors import Problem
from rules.files import ListsFile
from rules.names import Names, check_ids

FREE_MAIL = "free_mail"
DISPOSABLE_MAIL = "disposable_mail"

FREE_MAIL_DOMAINS = (
    "126.com", "163.com", "aol.com", "auone.jp", "biglobe.ne.jp", "docomo.ne.jp", "ezweb.ne.jp", "fastmail.com",
    "gmail.com", "gmx.com", "gmx.net", "goo.jp", "googlemail.com", "hotmail.co.jp", "hotmail.com", "i.softbank.jp",
    "icloud.com", "infoseek.jp", "live.com", "live.jp", "mac.com", "mail.com", "mail.ru", "me.com", "msn.com",
    "naver.com", "nifty.com", "ocn.ne.jp", "outlook.com", "outlook.jp", "plala.or.jp", "proton.me", "protonmail.com",
    "qq.com", "rakumail.jp", "so-net.ne.jp", "softbank.ne.jp", "uqmobile.jp", "yahoo.co.jp", "yahoo.com",
    "yahoo.ne.jp", "yandex.com", "ymail.ne.jp", "ymobile.ne.jp", "zoho.com",
)  # fmt: skip
"""Domains at which anybody may have an address: of free mail, providers and carriers."""

SHIPPED = ((FREE_MAIL, "フリーメール"), (DISPOSABLE_MAIL, "使い捨てメール"))


@cache
def disposable_domains() -> tuple[str, ...]:
    """Domains of mail for one use, sorted."""
    return tuple(sorted(blocklist))


def read_lists(
    document: Document[ListsFile] | None, problems: list[Problem]
) -> tuple[Names, dict[str, tuple[str, ...]]]:
    """Return the names and the values of all lists, after reporting what is wrong with those of the file."""
    values: dict[str, tuple[str, ...]] = {FREE_MAIL: FREE_MAIL_DOMAINS, DISPOSABLE_MAIL: disposable_domains()}
    labels = list(SHIPPED)
    if document is not None:
        spot = document.spot(problems, "lists")
        check_ids(document.value.lists, spot, "list")
        for position, entry in enumerate(document.value.lists):
            here = spot.at(position)
            if entry.id in dict(SHIPPED):
                here.at("id").fault(f"the list '{entry.id}' ships with the engine", hint="choose another id")
            if not entry.values or not all(value.strip() for value in entry.values):
                here.fault(
                    f"the list '{entry.id}' has no values, or an empty one", hint="such as values: [rival.example]"
                )
            values.setdefault(entry.id, entry.values)
            labels.append((entry.id, entry.label))
    return Names("list", labels), values


def shipped_content(used: Mapping[str, tuple[str, ...]]) -> bytes:
    """Return the values of the lists that ship, as a rule set's version counts them."""
    return "\n".join(f"{name}: {' '.join(used[name])}" for name, _ in SHIPPED).encode()
