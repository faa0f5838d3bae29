"""Reads sources.yaml as a whole: every source checked, every fault reported at once."""

from __future__ import annotations

from pathlib import Path

from rules.documents import load_document
from rules.errors import ConfigurationError, Problem
from rules.models import Field
from tasks.clients.sources.config_checks import checked_source
from tasks.clients.sources.expansion import expanded
from tasks.clients.sources.models import Source, SourcesFile


def load_sources(path: Path, fields: tuple[Field, ...]) -> tuple[Source, ...]:
    """Read and check sources.yaml.

    Args:
        path: The file.
        fields: The rule set's fields: what a lead may be given.

    Raises:
        ConfigurationError: Everything that is wrong with the file, at once.
    """
    problems: list[Problem] = []
    if not path.exists():
        hint = "create it with 'sources: []', copy the one of the repository, or set NURTURE_SOURCES to where it is"
        raise ConfigurationError([Problem(path.name, "", "the file is missing", hint=hint)])
    document = load_document(path, SourcesFile, problems)
    sources: list[Source] = []
    if document is None:
        _report_unset_variables(path, problems)
    else:
        first_lines: dict[str, int] = {}
        for position, entry in enumerate(document.value.sources):
            first = first_lines.setdefault(entry.name, document.line("sources", position, "name"))
            if first != document.line("sources", position, "name"):
                document.spot(problems, "sources", position, "name").fault(
                    "two sources have one name",
                    received=f"'{entry.name}', first on line {first}",
                    hint="rename one of them; a name keeps how far its source was read",
                )
            source = checked_source(entry, position, document, fields, problems)
            if source is not None:
                sources.append(source)
    if any(not problem.is_warning for problem in problems):
        raise ConfigurationError(problems)
    return tuple(sources)


def _report_unset_variables(path: Path, problems: list[Problem]) -> None:
    """Where the file's shape is wrong its sources are not read; what the environment lacks is told all the same."""
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):

        def report(message: str, hint: str, place: str = f"line {number}") -> None:
            problems.append(Problem(path.name, place, message, hint=hint))

        expanded(line.partition("#")[0], report)
