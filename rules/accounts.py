"""Checks how leads are gathered into companies."""

from __future__ import annotations

from collections.abc import Mapping

from rules.documents import Document
from rules.errors import Problem
from rules.files import AccountsFile
from rules.hints import did_you_mean, listed, shown
from rules.models import Accounts, Field
from rules.names import Names
from rules.vocabulary import folded_width

LEGAL_FORMS = (
    "株式会社", "(株)", "(カ)", "カ)", "有限会社", "(有)", "合同会社", "(同)", "合資会社", "(資)", "合名会社", "(名)",
    "相互会社", "(相)", "一般社団法人", "(一社)", "公益社団法人", "(公社)", "一般財団法人", "(一財)", "公益財団法人",
    "(公財)", "社団法人", "(社)", "財団法人", "(財)", "特定非営利活動法人", "npo法人", "(特非)", "医療法人",
    "医療法人社団", "医療法人財団", "(医)", "学校法人", "(学)", "宗教法人", "(宗)", "社会福祉法人", "(福)", "(社福)",
    "独立行政法人", "(独)", "国立大学法人", "(大)", "弁護士法人", "税理士法人", "監査法人", "協同組合",
    "事業協同組合", "kabushiki kaisha", "kabushiki gaisha", "k.k.", "kk", "godo kaisha", "g.k.", "incorporated",
    "inc", "inc.", "corporation", "corp", "corp.", "company limited", "company", "co.", "co., ltd", "co., ltd.",
    "co.,ltd", "co.,ltd.", "co.ltd", "co.ltd.", "co. ltd", "co. ltd.", "co ltd", "co ltd.", "limited", "ltd", "ltd.",
    "llc", "l.l.c.", "llp", "l.p.", "plc", "gmbh", "ag", "s.a.", "s.a.s.", "s.r.l.", "b.v.", "n.v.", "pte ltd",
    "pte. ltd.", "pty ltd", "pty. ltd.",
)  # fmt: skip
"""What a company's name begins or ends with and is no part of it, in NFKC and lower case."""


def check_accounts(
    document: Document[AccountsFile] | None,
    fields: tuple[Field, ...] | None,
    lists: Names | None,
    values_of_lists: Mapping[str, tuple[str, ...]],
    problems: list[Problem],
) -> Accounts | None:
    """Return how leads are gathered, after reporting what is wrong. Without a file: by name and mail domain."""
    value = document.value if document is not None else AccountsFile()
    is_fine = True
    if document is not None and fields is not None:
        for key, type_ in (("name_field", "text"), ("number_field", "corporate_number")):
            known = {field.id for field in fields if not field.system and field.type == type_}
            name = getattr(value, key)
            if name is not None and name not in known:
                document.spot(problems, key).fault(
                    f"there is no field of type {type_} and this name",
                    received=shown(name),
                    allowed=listed(sorted(known)) or f"none: no field is of type {type_}",
                    hint=did_you_mean(name, known) or "add it to fields.yaml",
                )
                is_fine = False
    shared = [domain.strip().lower() for domain in value.shared_domains]
    for position, name in enumerate(value.shared_lists):
        spot = document.spot(problems, "shared_lists", position) if document is not None else None
        found = lists.resolve(name, spot) if spot is not None and lists is not None else name
        shared += [domain.lower() for domain in values_of_lists.get(found or "", ())]
        is_fine = is_fine and found is not None
    if not is_fine:
        return None
    return Accounts(
        name_field=value.name_field,
        number_field=value.number_field,
        legal_forms=tuple(dict.fromkeys(map(folded_width, value.legal_forms or LEGAL_FORMS))),
        shared_domains=tuple(dict.fromkeys(shared)),
    )
