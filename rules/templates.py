"""Reads mail templates: ``subject.txt`` beside ``body.txt`` and ``body.html``, or beside one ``body.md``.

A lead's fields become substitution tags which SendGrid fills for each recipient, so a template is rendered once a step
and not once a lead: it may show ``{{ lead.company }}`` but cannot decide by it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import SandboxedEnvironment

from rules.documents import read_bytes
from rules.errors import Problem
from rules.markdown import frame, from_markdown
from rules.models import Template
from rules.template_names import LINKS, SENDER_KEYS, STEP_KEYS, wrong_names

SUBJECT = "subject.txt"
MARKDOWN = "body.md"
FILES = {"subject": SUBJECT, "text": "body.txt", "html": "body.html"}
RENDER_ERRORS = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError)
"""What rendering a template may raise: what it writes in its braces is computed."""
_STATEMENT = re.compile(r"\{%")


def template_folders(folder: Path) -> list[str]:
    """Return the names of the folders under ``mails/``, sorted."""
    mails = folder / "mails"
    return sorted(path.name for path in mails.iterdir() if path.is_dir()) if mails.is_dir() else []


def files_of(folder: Path, name: str) -> dict[str, str]:
    """Return the file that each part of a mail, ``subject``, ``text`` and ``html``, is made of."""
    is_markdown = (folder / "mails" / name / MARKDOWN).exists()
    return {"subject": SUBJECT, "text": MARKDOWN, "html": MARKDOWN} if is_markdown else FILES


def contents_of(folder: Path, name: str) -> dict[str, bytes]:
    """Return what a mail was made of, for the rule set's version: its files, and the frame that ships around one."""
    names = dict.fromkeys(files_of(folder, name).values())
    contents = {f"mails/{name}/{file}": (folder / "mails" / name / file).read_bytes() for file in names}
    if MARKDOWN in names:
        contents["the frame that ships"] = (frame("text") + frame("html")).encode()
    return contents


def read_template(folder: Path, name: str, fields: tuple[str, ...] | None, problems: list[Problem]) -> Template | None:
    """Read one mail's files and check each by itself.

    Args:
        folder: The rule set's folder.
        name: The folder's name under ``mails/``.
        fields: The ids of the lead's fields; None where they could not be read, and are not checked.
        problems: Faults are appended here.

    Returns:
        The template, or None where a file is missing or cannot be used.
    """
    before = len(problems)
    files = files_of(folder, name)
    here = folder / "mails" / name
    parts: dict[str, str] = {}
    for file in dict.fromkeys(files.values()):
        shown_as = f"mails/{name}/{file}"
        source = _read(here / file, shown_as, problems)
        if source is None:
            continue
        if file == SUBJECT:
            source = source.strip()
            if "\n" in source:
                problems.append(
                    Problem(shown_as, "line 2", "a subject is one line", hint="keep the first line only")
                )  # fmt: skip
        parts[file] = source
        _check_source(source, shown_as, fields, problems)
    if MARKDOWN in parts:
        _check_markdown(here, f"mails/{name}", parts[MARKDOWN], problems)
    if len(problems) > before:
        return None
    if MARKDOWN in parts:
        text, html = from_markdown(parts[MARKDOWN])
        # what Markdown makes of a source, such as of &#123;, is a template once more
        for made in (text, html):
            _check_source(made, f"mails/{name}/{MARKDOWN}", fields, problems)
        if len(problems) > before:
            return None
        return Template(id=name, subject=parts[SUBJECT], text=text, html=html)
    return Template(id=name, **{part: parts[file] for part, file in files.items()})


def _read(path: Path, shown_as: str, problems: list[Problem]) -> str | None:
    content = read_bytes(path, problems, shown_as)
    if content is None:
        return None
    try:
        source = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        problems.append(Problem(shown_as, "", "the file is not UTF-8", hint="save it as UTF-8"))
        return None
    if not source.strip():
        problems.append(Problem(shown_as, "", "the file is empty", hint="write the mail's text"))
        return None
    return source


def _check_markdown(here: Path, shown_as: str, source: str, problems: list[Problem]) -> None:
    for file in ("body.txt", "body.html"):
        if (here / file).exists():
            hint = f"remove {file}, or remove {MARKDOWN}"
            problems.append(Problem(f"{shown_as}/{file}", "", f"{MARKDOWN} beside it makes this part, too", hint=hint))
    if found := _STATEMENT.search(source):
        problems.append(
            Problem(
                f"{shown_as}/{MARKDOWN}",
                f"line {source.count(chr(10), 0, found.start()) + 1}",
                "Markdown has no conditions and loops",
                "{% … %}",
                "{{ name }}",
                "write body.txt and body.html instead, where the mail needs them",
            )
        )


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
    problems.extend(wrong_names(tree, file, fields))
    if len(problems) > before or fields is None:
        return
    try:
        render(source, fields)
    except RENDER_ERRORS as error:
        problems.append(
            Problem(file, "", f"the template cannot be rendered: {error}", hint="use plain {{ name }} where you can")
        )


def uses_step_subject(template: Template, fields: tuple[str, ...]) -> bool:
    """Return whether a mail's own files ask for the sheet's subject."""
    return any(marker("step.subject") in render(getattr(template, key), fields) for key in FILES)


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)


def marker(what: str) -> str:
    """What stands for a value in a template that is rendered to be looked at."""
    return f"[[{what}]]"


@lru_cache(maxsize=512)
def render(source: str, fields: tuple[str, ...]) -> str:
    """Render a source with a marker for every value."""
    parts = {"lead": fields, "sender": SENDER_KEYS, "step": STEP_KEYS}
    values: dict[str, Any] = {
        name: SimpleNamespace(**{key: marker(f"{name}.{key}") for key in keys}) for name, keys in parts.items()
    }
    return _environment().from_string(source).render(values, **{name: marker(name) for name in LINKS})
