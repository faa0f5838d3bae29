"""Checks mails against the steps that send them: every step has its template, and every template what the law asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rules.errors import Problem
from rules.hints import did_you_mean, listed, shown
from rules.mail_law import misplaced_values, missing_parts
from rules.models import Field, Step, Template
from rules.templates import files_of, read_template, render, template_folders, uses_step_subject

_WHY = {
    "sender.company": "every mail must show who sends it",
    "sender.postal_address": "every mail must show this: where the sender is",
    "sender.contact": "every mail must show this: where complaints and questions go",
    "unsubscribe_url": "a marketing mail must let people opt out",
}
_EXAMPLES = {
    "text": "配信停止: {{ unsubscribe_url }}",
    "html": '<a href="{{ unsubscribe_url }}">配信を停止する</a>',
}


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
    # what the engine keeps itself is no merge field: it is not told to the lead
    field_ids = tuple(field.id for field in fields if not field.system) if fields is not None else None
    templates = {name: read_template(folder, name, field_ids, problems) for name in names}
    used: dict[str, list[Step]] = {}
    for step in steps:
        used.setdefault(step.template, []).append(step)
    for name, users in used.items():
        if name not in templates:
            hint = (
                did_you_mean(name, names)
                or f"create mails/{name}/ with subject.txt, and body.md or body.txt and body.html"
            )
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
            _check_use(template, files_of(folder, name), used[name], field_ids, problems)
    return tuple(template for name, template in templates.items() if template is not None and name in used)


def _check_use(
    template: Template,
    files: Mapping[str, str],
    users: Sequence[Step],
    fields: tuple[str, ...],
    problems: list[Problem],
) -> None:
    if not render(template.subject, fields).strip():
        hint = "write a subject, or {{ step.subject }} where the sheet has it"
        problems.append(Problem(f"mails/{template.id}/{files['subject']}", "", "the subject shows nothing", hint=hint))
    is_marketing = any(step.category == "marketing" for step in users)
    for part, what in missing_parts(template, fields, is_marketing=is_marketing):
        file = f"mails/{template.id}/{files[part]}"
        if what == "words":
            problems.append(
                Problem(
                    file,
                    "",
                    "nothing near {{ unsubscribe_url }} says that it ends the mails",
                    allowed="words such as 配信停止, 配信を停止, 解除, unsubscribe, opt out, in the link or beside it",
                    hint=f"write, for example, {_EXAMPLES[part]}",
                )
            )
            continue
        hint = f"write {{{{ {what} }}}} where readers see it"
        if what == "unsubscribe_url":
            hint += f", such as {_EXAMPLES[part]}"
        problems.append(Problem(file, "", f"{{{{ {what} }}}} is not shown: {_WHY[what]}", hint=hint))
    for part, name, place in dict.fromkeys(misplaced_values(template, fields)):
        problems.append(
            Problem(
                f"mails/{template.id}/{files[part]}",
                "",
                f"a lead's value stands in {place}, where others can read it or it can do harm",
                shown(f"lead.{name}"),
                f"{{{{ lead.{name} }}}} as text, or in an attribute such as alt between quotes",
                "links to your own site name the lead by a signed token of their own accord",
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
