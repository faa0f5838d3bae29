"""The words marketers use for behaviours, and how two spellings of one word are seen to be the same.

Full and half width, capitals, spaces and hyphens make no difference, nor do the synonyms of the rule set (DL is
ダウンロード, a ウェビナー is a セミナー).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from rules.models import Term

_HYPHEN_IN_WORD = re.compile(r"(?<=[a-z0-9])[-_‐](?=[a-z0-9])")


def normalised(text: str) -> str:
    """Return text as it is compared: NFKC, lower case, without spaces and without hyphens inside Latin words."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _HYPHEN_IN_WORD.sub("", "".join(folded.split()))


def folded_width(text: str) -> str:
    """Return text in NFKC and lower case, its spaces kept: how SQL compares a lead's texts."""
    return unicodedata.normalize("NFKC", text).lower()


class Vocabulary:
    """Looks up terms by any of their words, in any spelling."""

    def __init__(self, terms: Iterable[Term], synonyms: Sequence[Sequence[str]] = ()) -> None:
        self.terms = tuple(terms)
        self._canonical = {normalised(word): normalised(group[0]) for group in synonyms for word in group}
        longest_first = sorted((word for word in self._canonical if word), key=len, reverse=True)
        self._synonym = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self._by_word: dict[str, Term] = {}
        self.clashes: list[tuple[str, Term, Term]] = []
        """Words that two terms claim: the word, the first term, the second."""
        for term in self.terms:
            for word in term.words:
                first = self._by_word.setdefault(self.folded(word), term)
                if first is not term:
                    self.clashes.append((word, first, term))

    def folded(self, text: str) -> str:
        """Return text normalised, with every synonym replaced by the first word of its group."""
        text = normalised(text)
        if self._synonym is None:
            return text
        return self._synonym.sub(lambda match: self._canonical[match.group()], text)

    def find(self, text: str) -> Term | None:
        """Return the term that has this word, or None."""
        return self.find_folded(self.folded(text))

    def find_folded(self, folded: str) -> Term | None:
        """Return the term for a word that is folded already; an English plural is the same word."""
        found = self._by_word.get(folded)
        if found is None and folded.isascii() and folded.endswith("s"):
            found = self._by_word.get(folded[:-1])
        return found

    def words(self) -> list[str]:
        """Return every word of every term, as written."""
        return [word for term in self.terms for word in term.words]

    def main_words(self) -> list[str]:
        """Return the first word of each term: the one shown to people."""
        return [term.words[0] for term in self.terms]
