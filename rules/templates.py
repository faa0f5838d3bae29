"""Reads and checks mail templates: three files a mail, with only the names that a mail can fill.

A lead's fields become substitution tags which SendGrid fills for each recipient, so a template is rendered once a step
and not once a lead: it may show ``{{ lead.company }}`` but cannot decide by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import SandboxedEnvironment

from rules.documents import read_bytes
from rules.errors import Problem
from rules.hints import did_you_mean, listed, shown
from rules.models import Sender, Template

FILES = {"subject": "subject.txt", "text": "body.txt", "html": "body.html"}
PER_RECIPIENT = ("lead", "unsubscribe_url")
SENDER_KEYS = tuple(name for name in Sender.model_fields if name != "id")
STEP_KEYS = ("subject",)
_PLAIN = ("unsubscribe_url",)


def template_folders(folder: Path) -> list[str]:
    """Return the names of the folders under ``mails/``, sorted."""
    mails = folder / "mails"
    return sorted(path.name for path in mails.iterdir() if path.is_dir()) if mails.is_dir() else []


def read_template(folder: Path, name: str, fields: tuple[str, ...] | None, problems: list[Problem]) -> Template | None:
    """Read one mail's three files and check each by itself.

    Args:
        folder: The rule set's folder.
        name: The folder's name under ``mails/``.
        fields: The ids of the lead's fields; None where they could not be read, and are not checked.
        problems: Faults are appended here.

    Returns:
        The template, or None where a file is missing or cannot be used.
    """
    parts: dict[str, str] = {}
    before = len(problems)
    for key, file_name in FILES.items():
        shown_as = f"mails/{name}/{file_name}"
        content = read_bytes(folder / "mails" / name / file_name, problems, shown_as)
        if content is None:
            continue
        try:
            source = content.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError:
            problems.append(Problem(shown_as, "", "the file is not UTF-8", hint="save it as UTF-8"))
            continue
        if not source.strip():
            problems.append(Problem(shown_as, "", "the file is empty", hint="write the mail's text"))
            continue
        if key == "subject":
            source = source.strip()
            if "\n" in source:
                problems.append(
                    Problem(shown_as, "line 2", "a subject is one line", hint="keep the first line only")
                )  # fmt: skip
        parts[key] = source
        _check_source(source, shown_as, fields, problems)
    if len(problems) > before:
        return None
    return Template(id=name, subject=parts["subject"], text=parts["text"], html=parts["html"])


def _check_source(source: str, file: str, fields: tuple[str, ...] | None, problems: list[Problem]) -> None:
    environment = _environment()
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        hint = "check the braces: {{ name }} shows a value"
        problems.append(Problem(file, f"line {error.lineno}", f"not a template: {error.message}", hint=hint))
        return
    before = len(problems)
    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        problems.append(
            Problem(file, f"line {node.lineno}", "a mail stands by itself", hint="put the text of the other file here")
        )
    problems.extend(_wrong_names(tree, file, fields))
    if len(problems) > before or fields is None:
        return
    try:
        _render(source, fields)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        problems.append(
            Problem(file, "", f"the template cannot be rendered: {error}", hint="use plain {{ name }} where you can")
        )


def _wrong_names(tree: nodes.Template, file: str, fields: tuple[str, ...] | None) -> Iterator[Problem]:
    """Yield what is wrong with the names a template uses, and with where it uses those of a recipient."""
    known: dict[str, tuple[str, ...] | None] = {"lead": fields, "sender": SENDER_KEYS, "step": STEP_KEYS}
    own = {node.name for node in tree.find_all(nodes.Name) if node.ctx in {"store", "param"}}
    for parent in _nodes(tree):
        for child in parent.iter_child_nodes():
            if isinstance(child, nodes.Name) and child.ctx == "load" and child.name not in own:
                if child.name in known:
                    if not isinstance(parent, nodes.Getattr):
                        yield Problem(
                            file,
                            f"line {child.lineno}",
                            f"'{child.name}' is used without the name of a part",
                            allowed=listed(f"{child.name}.{key}" for key in known[child.name] or ("…",)),
                        )
                elif child.name not in _PLAIN:
                    names = [*_PLAIN, *(f"{name}.{key}" for name, keys in known.items() for key in keys or ())]
                    yield Problem(
                        file,
                        f"line {child.lineno}",
                        "a mail knows no such name",
                        shown(child.name),
                        listed(names, limit=30),
                        did_you_mean(child.name, [*_PLAIN, *known]),
                    )
            if isinstance(child, nodes.Getattr) and isinstance(child.node, nodes.Name) and child.node.name in known:
                keys = known[child.node.name]
                if keys is not None and child.attr not in keys:
                    yield Problem(
                        file,
                        f"line {child.lineno}",
                        f"'{child.node.name}' has no such part",
                        shown(child.attr),
                        listed(keys),
                        did_you_mean(child.attr, keys),
                    )
            if _is_per_recipient(child) and not isinstance(parent, nodes.Output):
                if isinstance(parent, nodes.Getattr):
                    continue
                yield Problem(
                    file,
                    f"line {child.lineno}",
                    "a recipient's value can only be shown, since it is filled in after the mail is made",
                    shown(_written(child)),
                    f"{{{{ {_written(child)} }}}}, without conditions, filters or calculations",
                    "for the text shown where a lead has no value, set mail_default in fields.yaml",
                )


def _is_per_recipient(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Getattr):
        return isinstance(node.node, nodes.Name) and node.node.name == "lead"
    return isinstance(node, nodes.Name) and node.name == "unsubscribe_url" and node.ctx == "load"


def _written(node: nodes.Node) -> str:
    return f"lead.{node.attr}" if isinstance(node, nodes.Getattr) else "unsubscribe_url"


def _nodes(tree: nodes.Node) -> Iterator[nodes.Node]:
    yield tree
    for child in tree.iter_child_nodes():
        yield from _nodes(child)


def missing_parts(template: Template, fields: tuple[str, ...], *, is_marketing: bool) -> Iterator[tuple[str, str]]:
    """Yield (file, what) for everything the law asks a mail to show and this one does not.

    Looked for in the rendered mail, not in the source: a name inside a comment or a false condition shows nothing.
    """
    wanted = ["sender.company", "sender.postal_address", "sender.contact"]
    if is_marketing:
        wanted.append("unsubscribe_url")
    for key in ("text", "html"):
        rendered = _render(getattr(template, key), fields)
        for what in wanted:
            if _marker(what) not in rendered:
                yield FILES[key], what


def uses_step_subject(template: Template, fields: tuple[str, ...]) -> bool:
    """Return whether a mail's own files ask for the sheet's subject."""
    return any(_marker("step.subject") in _render(getattr(template, key), fields) for key in FILES)


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)


def _marker(what: str) -> str:
    return f"[[{what}]]"


@lru_cache(maxsize=512)
def _render(source: str, fields: tuple[str, ...]) -> str:
    parts = {"lead": fields, "sender": SENDER_KEYS, "step": STEP_KEYS}
    values: dict[str, Any] = {
        name: SimpleNamespace(**{key: _marker(f"{name}.{key}") for key in keys}) for name, keys in parts.items()
    }
    return _environment().from_string(source).render(values, unsubscribe_url=_marker("unsubscribe_url"))
