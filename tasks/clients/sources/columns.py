"""Checks that a file holds the columns it was said to hold, before the first row is read."""

from __future__ import annotations

from collections.abc import Sequence

from rules.hints import did_you_mean, listed
from tasks.clients.sources.errors import SourceError
from tasks.clients.sources.models import Source


def check_columns(source: Source, path: str, names: Sequence[str]) -> None:
    """Refuse a file without a mapped column, or with two of one name.

    Raises:
        SourceError: Which column is missing, which there are, which was probably meant.
    """
    for name in sorted(set(source.columns.values())):
        if name not in names:
            what = f"{path} has no column '{name}' (it has: {listed(names)})"
            raise SourceError(source.name, what, did_you_mean(name, names) or "change 'columns', 'header' or 'names'")
        if list(names).count(name) > 1:
            raise SourceError(
                source.name, f"{path} has two columns '{name}'", "give 'names', or rename one in the file"
            )
