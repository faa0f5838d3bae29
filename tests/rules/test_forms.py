"""What stands in forms.yaml: the shipped forms read as written, and every mistake is one problem that says the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rules.errors import Problem
from rules.loader import load_rules
from tests.rules.conftest import Edit
from tests.rules.workbooks import GUIDE

Check = Callable[[], list[Problem]]


def test_the_shipped_forms_are_those_of_the_guide() -> None:
    rules = load_rules(GUIDE)
    forms = {form.id: form for form in rules.forms}
    assert {name: form.event for name, form in forms.items()} == {
        "document": "document_download",
        "seminar": "seminar_signup",
        "consultation": "consultation_request",
    }
    document = forms["document"]
    assert [(field.id, field.label, field.kind, field.is_required) for field in document.fields][2:] == [
        ("email", "メールアドレス", "email", True),
        ("title", "役職", "text", False),
        ("phone", "電話番号", "tel", False),
    ]
    assert document.consent is not None
    assert (document.consent.version, document.consent.kinds) == ("2026-11", ("marketing",))
    (asset,) = rules.assets
    assert (asset.id, asset.path, asset.is_gated) == (document.asset, GUIDE / "assets" / "service_guide.pdf", True)
    assert forms["seminar"].properties == (("seminar", "introduction"),)
    assert [field.is_property for field in forms["consultation"].fields][-2:] == [True, True]


CASES = [
    ("event: seminar_signup", "event: mail_open", "cannot tell this event", "mail_open", "seminar_signup"),
    ("event: seminar_signup", "event: consent_asked", "cannot tell this event", "consent_asked", "consent_"),
    ("event: seminar_signup", "event: Seminar", "cannot tell this event", "Seminar", "small letters"),
    ("asset: service_guide", "asset: service_gide", "no asset of this name", "service_gide", "did you mean"),
    ("file: service_guide.pdf", "file: ../fields.yaml", "stands in the folder assets", "../fields.yaml", ""),
    ("file: service_guide.pdf", "file: other.pdf", "file is missing", "other.pdf", "guide/assets"),
    ("file: service_guide.pdf", "file: service_guide.html", "kind of file is not given", "service_guide.html", ".pdf"),
    ("asset: service_guide\n", "\n", "no form gives it", "service_guide", "gated: false"),
    ("id: seminar\n", "id: document\n", "two forms have the same name", "document", "rename"),
    ("{field: email, required: true}", "{field: email}", "has to ask for the mail address", "", "required: true"),
    ("{field: title}", "{field: titel}", "no field of this name", "titel", "did you mean 'title'?"),
    ("{field: title}", "{field: score}", "no field of this name", "score", ""),
    ("{field: title}", "{field: phone}", "asked twice", "phone", ""),
    ("{field: title}", "{field: title, id: x}", "not what is asked", "", "field: of a lead's field"),
    ("id: timing", "id: website", "this name is taken", "website", "choose another"),
    ("id: timing", "id: industry", "this name is taken", "industry", "choose another"),
    ("        label: ご検討の時期\n", "", "needs its label", "timing", "label:"),
    ("        type: choice\n", "", "values belong to a choice", "", "values"),
    ('version: "2026-11"', 'version: " "', "needs its words and their version", "", "version"),
    ("properties: {seminar: introduction}", "properties: {Seminar: x}", "not an id for a property", "Seminar", "small"),
    ('      version: "2026-11"', '      double_opt_in: true\n      version: "2026-11"', "no mail asks to confirm", "document",
     "{{ confirm_url }}"),
    ("    event: consultation_request\n", "", "missing", "", "event"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message", "received", "way_out"), CASES)
def test_a_mistake_is_one_problem(
    edit: Edit, errors: Check, old: str, new: str, message: str, received: str, way_out: str
) -> None:
    if "double_opt_in" in new:
        edit("trigger_mails.yaml", "category: transactional", "category: transactional\n    is_enabled: false")
    edit("forms.yaml", old, new)
    found = errors()
    assert found, "nothing was found"
    problem, *others = found
    assert {one.message for one in others} <= {problem.message}, found
    assert problem.file == "forms.yaml"
    assert message in str(problem)
    assert problem.place.startswith("line ")
    assert received in problem.received
    assert way_out in f"{problem.allowed} {problem.hint} {problem.message}"


def test_a_set_without_forms_has_none_and_new_words_are_no_new_version(folder: Path, edit: Edit) -> None:
    version = load_rules(folder).version
    edit("forms.yaml", "受け取ることに同意します", "受け取ることを承諾します")
    assert load_rules(folder).version == version
    (folder / "forms.yaml").unlink()
    rules = load_rules(folder)
    assert (rules.forms, rules.assets, rules.version) == ((), (), version)
