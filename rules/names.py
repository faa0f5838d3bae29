"""Finds what a name refers to, by id or by its Japanese label, and says what is near where nothing is found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from rules.documents import Spot
from rules.hints import did_you_mean, listed, shown
from rules.vocabulary import normalised

_ID = re.compile(r"[a-z][a-z0-9_]*")


class Reports(Protocol):
    """Anything that takes a problem: a line of a YAML file, or a cell of the sheet."""

    def fault(
        self, message: str, *, received: str = "", allowed: str = "", hint: str = "", is_warning: bool = False
    ) -> None:
        """Record a problem."""


class Names:
    """What may be referred to: ids, each with a label that means the same."""

    def __init__(self, what: str, labels: Iterable[tuple[str, str]]) -> None:
        self.what = what
        self.labels = dict(labels)
        self._ids: dict[str, str] = {}
        for name, label in self.labels.items():
            self._ids.setdefault(normalised(name), name)
            self._ids.setdefault(normalised(label), name)

    def find(self, text: str) -> str | None:
        """Return the id that ``text`` names, or None."""
        return self._ids.get(normalised(text)) if text else None

    def resolve(self, text: str, spot: Reports) -> str | None:
        """Return the id that ``text`` names; where there is none, report it with what is near and what is allowed."""
        found = self.find(text)
        if found is None:
            choices = [choice for pair in self.labels.items() for choice in pair if choice]
            allowed = listed(
                label if label == name or not label else f"{label} ({name})" for name, label in self.pairs()
            )
            spot.fault(
                f"there is no {self.what} of this name",
                received=shown(text),
                allowed=allowed or f"none: the rule set has no {self.what}",
                hint=did_you_mean(text, choices),
            )
        return found

    def pairs(self) -> list[tuple[str, str]]:
        """Return every id with its label."""
        return list(self.labels.items())


class Named(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> str:
        """The id."""


def check_id(name: str, spot: Reports, what: str) -> None:
    """Report an id that is not plain."""
    if _ID.fullmatch(name) is None:
        spot.fault(
            f"this is not an id for a {what}",
            received=shown(name),
            allowed="small letters a to z, digits and _, with a letter first",
            hint="ids stand in keys and folder names; put the Japanese name into label",
        )


def check_ids(items: Sequence[Named], spot: Spot, what: str) -> None:
    """Report ids that are not plain, and ids or labels that stand twice."""
    first_line: dict[str, int] = {}
    for position, item in enumerate(items):
        here = spot.at(position, "id")
        check_id(item.id, here, what)
        names = {normalised(item.id): item.id}
        label = getattr(item, "label", "")
        if label:
            names.setdefault(normalised(label), label)
        for folded, name in names.items():
            if folded in first_line:
                here.fault(
                    f"two {what}s have the same name",
                    received=f"{shown(name)}, first on line {first_line[folded]}",
                    hint="rename or remove one of them",
                )
            else:
                first_line[folded] = here.line()
