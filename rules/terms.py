"""Checks ``vocabulary.yaml``: groups of pages and assets, and the words for behaviours."""

from __future__ import annotations

from rules.documents import Document
from rules.errors import Problem
from rules.files import VocabularyFile
from rules.models import Selector, Term
from rules.names import Names, check_ids
from rules.selectors import Selectors
from rules.vocabulary import Vocabulary


def check_vocabulary(
    document: Document[VocabularyFile] | None, scenarios: Names | None, problems: list[Problem]
) -> tuple[Vocabulary | None, Selectors]:
    """Return the words and what reads selectors, after reporting what is wrong; without the file, None."""
    if document is None:
        return None, Selectors(scenarios=scenarios)
    value = document.value
    groups = {}
    for key, what, items in (
        ("page_groups", "page group", value.page_groups),
        ("asset_groups", "asset group", value.asset_groups),
    ):
        spot = document.spot(problems, key)
        check_ids(items, spot, what)
        groups[key] = Names(what, [(item.id, item.label) for item in items])
        for position, item in enumerate(items):
            if not item.patterns or not all(pattern.strip() for pattern in item.patterns):
                spot.at(position).fault(f"the {what} '{item.id}' has no patterns", hint='such as ["/price*"]')
    spot = document.spot(problems, "terms")
    check_ids(value.terms, spot, "term")
    selectors = Selectors(groups["page_groups"], groups["asset_groups"], scenarios=scenarios)
    terms = []
    for position, entry in enumerate(value.terms):
        selector = selectors.read(entry.on, spot.at(position, "on"))
        # a term that was not understood keeps its words, so that these are not unknown, too
        terms.append(Term(id=entry.id, words=entry.words, selector=selector or Selector(event=entry.id)))
    vocabulary = Vocabulary(terms, value.synonyms)
    for word, first, second in vocabulary.clashes:
        position = next(number for number, term in enumerate(terms) if term is second)
        spot.at(position, "words").fault(
            "two terms have the same word",
            received=f"'{word}', which '{first.id}' has too",
            hint="take it out of one of them, or out of synonyms",
        )
    return vocabulary, selectors.with_vocabulary(vocabulary)
