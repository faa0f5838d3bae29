"""As much of SOQL as the engine speaks: one object and what it leads to, its children, conditions, an order."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce_rules import Refused

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:\\.|[^'\\])*')|(?P<stamp>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d))"
    r"|(?P<word>[A-Za-z_][\w.]*)|(?P<number>\d+)|(?P<sign>>=|<=|!=|[<>=(),]))"
)
_SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<": operator.lt,
}
_CONSTANTS = {"null": None, "true": True, "false": False}


@dataclass
class Condition:
    """A field, a sign (or IN), and a value: a constant, a list of them, or a query."""

    name: str
    sign: str
    value: Any


@dataclass
class Query:
    """A query, read."""

    names: list[str] = field(default_factory=list)
    children: list[Query] = field(default_factory=list)
    source: str = ""
    conditions: list[Condition] = field(default_factory=list)
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int | None = None


def holds(sign: str, ours: Any, value: Any) -> bool:
    """Whether a condition is true of a value; nothing is neither before nor after anything."""
    if sign in {">=", "<"} and ours is None:
        return False
    return _SIGNS[sign](ours, value)


class Reader:
    """Reads one query."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        place = 0
        text = text.strip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise Refused(400, "MALFORMED_QUERY", f"unexpected token: {text[place : place + 60]}")
            self._tokens.append((found.lastgroup or "", found[found.lastgroup or ""]))
            place = found.end()
        self._place = 0

    def query(self) -> Query:
        """The query, to its end or to the bracket that closes it."""
        query = Query()
        self._expect("select")
        while True:
            if self._take("("):
                query.children.append(self.query())
                self._expect(")")
            else:
                query.names.append(self._next("word"))
            if not self._take(","):
                break
        self._expect("from")
        query.source = self._next("word")
        if self._take("where"):
            query.conditions.append(self._condition())
            while self._take("and"):
                query.conditions.append(self._condition())
        if self._take("order"):
            self._expect("by")
            query.order.append((self._next("word"), self._take("desc")))
            while self._take(","):
                query.order.append((self._next("word"), self._take("desc")))
        if self._take("limit"):
            query.limit = int(self._next("number"))
        return query

    def whole(self) -> Query:
        """The query, which is all of the text."""
        query = self.query()
        if self._place < len(self._tokens):
            raise Refused(400, "MALFORMED_QUERY", f"unexpected token: {self._tokens[self._place][1]}")
        return query

    def _condition(self) -> Condition:
        name = self._next("word")
        if not self._take("in"):
            return Condition(name, self._next("sign"), self._constant())
        self._expect("(")
        if self._tokens[self._place][1].lower() == "select":
            value: Any = self.query()
        else:
            value = [self._constant()]
            while self._take(","):
                value.append(self._constant())
        self._expect(")")
        return Condition(name, "in", value)

    def _constant(self) -> Any:
        kind, text = self._tokens[self._place]
        self._place += 1
        if kind == "text":
            return re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r", "t": "\t"}.get(found[1], found[1]), text[1:-1])
        if kind == "word" and text.lower() in _CONSTANTS:
            return _CONSTANTS[text.lower()]
        if kind in {"stamp", "number"}:
            return text
        raise Refused(400, "MALFORMED_QUERY", f"unexpected token: {text}")

    def _take(self, word: str) -> bool:
        is_there = self._place < len(self._tokens) and self._tokens[self._place][1].lower() == word
        self._place += is_there
        return is_there

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise Refused(400, "MALFORMED_QUERY", f"expecting {word}")

    def _next(self, kind: str) -> str:
        if self._place >= len(self._tokens) or self._tokens[self._place][0] != kind:
            raise Refused(400, "MALFORMED_QUERY", f"expecting a {kind}")
        self._place += 1
        return self._tokens[self._place - 1][1]
