"""Checks mails against the steps that send them: every step has its template, and every template what the law asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rules.errors import Problem
from rules.hints import did_you_mean, listed, shown
from rules.models import Field, Step, Template
from rules.templates import missing_parts, read_template, template_folders, uses_step_subject


def check_mails(
    folder: Path, fields: Sequence[Field] | None, steps: Sequence[Step], problems: list[Problem]
) -> tuple[Template, ...]:
    """Return the templates that steps use, after reporting what is wrong with any template.

    Args:
        folder: The rule set's folder.
        fields: The lead's fields, which mails may show; None where they could not be read.
        steps: All steps, also those switched off.
        problems: Faults are appended here.
    """
    names = template_folders(folder)
    field_ids = tuple(field.id for field in fields) if fields is not None else None
    templates = {name: read_template(folder, name, field_ids, problems) for name in names}
    used: dict[str, list[Step]] = {}
    for step in steps:
        used.setdefault(step.template, []).append(step)
    for name, users in used.items():
        if name not in templates:
            hint = did_you_mean(name, names) or f"create mails/{name}/ with subject.txt, body.txt and body.html"
            source, _, column = users[0].source.partition(", ")
            place = f"template of {column}" if column else "template"
            problems.append(
                Problem(source, place, "there is no mail template of this name", shown(name), listed(names), hint)
            )
    for name, template in templates.items():
        if name not in used:
            hint = "remove the folder, or name it in a row or a trigger mail"
            problems.append(Problem(f"mails/{name}", "", "no step uses this template", hint=hint, is_warning=True))
        elif template is not None and field_ids is not None:
            _check_use(template, used[name], field_ids, problems)
    return tuple(template for name, template in templates.items() if template is not None and name in used)


def _check_use(template: Template, users: Sequence[Step], fields: tuple[str, ...], problems: list[Problem]) -> None:
    is_marketing = any(step.category == "marketing" for step in users)
    for file, what in missing_parts(template, fields, is_marketing=is_marketing):
        why = "a marketing mail must let people opt out" if what == "unsubscribe_url" else "every mail must show this"
        problems.append(
            Problem(
                f"mails/{template.id}/{file}",
                "",
                f"{{{{ {what} }}}} is not shown: {why}",
                hint=f"write {{{{ {what} }}}} where readers see it",
            )
        )
    without_subject = [step for step in users if not step.subject]
    if without_subject and uses_step_subject(template, fields):
        problems.append(
            Problem(
                f"mails/{template.id}",
                "",
                "{{ step.subject }} is empty for a step that uses this template",
                without_subject[0].source,
                hint="write a subject into subject.txt",
            )
        )
