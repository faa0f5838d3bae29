"""The simulated company's website: its pages, and the access log that a customer's server would leave.

The log is CP932 with stamps in JST without an offset, as old Japanese servers and the tools around them write it.
"""

from __future__ import annotations

import csv
import io
import random
from dataclasses import dataclass
from pathlib import Path

from sandbox import words
from sandbox.chance import pick
from sandbox.clock import JST, from_epoch

_HEADER = ("id", "ts", "cookie", "path", "user_agent")


@dataclass(frozen=True, slots=True)
class Post:
    """A form that a visit ends with."""

    form: str
    asset: str | None


def choose_pages(rng: random.Random, interest: float) -> list[str]:
    """Draws the pages of a visit: the more interested, the more of them, and the nearer to buying."""
    kinds = (
        (words.BLOG, 3.0),
        (("/",), 2.0),
        (words.PRODUCTS, 2.5),
        (words.CASES, 0.7 + 2 * interest),
        (("/seminar",), 0.4 + interest),
        (("/price",), 0.4 + 3 * interest),
    )
    pages = [rng.choice(pick(rng, kinds))]
    while len(pages) < 12 and rng.random() < 0.5 + 0.25 * interest:
        pages.append(rng.choice(pick(rng, kinds)))
    return pages


def choose_post(rng: random.Random, interest: float) -> Post | None:
    """Draws whether a visit ends with a form, and with which."""
    chances = (
        ("consultation_request", 0.002 + 0.03 * interest**2),
        ("seminar_signup", 0.01 + 0.05 * interest),
        ("document_download", 0.04 + 0.12 * interest),
    )
    at = rng.random()
    for form, chance in chances:
        at -= chance
        if at < 0:
            return fill_form(rng, form)
    return None


def fill_form(rng: random.Random, form: str, asset: str | None = None) -> Post:
    """Fills a form in, with an asset of its kind unless one is given."""
    if form == "document_download":
        return Post(form, asset or pick(rng, words.DOCUMENTS))
    if form == "seminar_signup":
        return Post(form, asset or rng.choice(words.SEMINARS))
    return Post(form, None)


def form_page(post: Post) -> str:
    """The page on which a form stands."""
    pages = {"document_download": f"/documents/{post.asset}", "seminar_signup": f"/seminar/{post.asset}"}
    return pages.get(post.form, "/contact")


class AccessLog:
    """Appends page views to one file a day.

    Args:
        folder: Where the files stand.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._waiting: dict[str, list[tuple[str, str, str, str, str]]] = {}
        self._count = 0

    def add(self, at: int, cookie: str, path: str, user_agent: str) -> None:
        """Notes a page view, to be called in the order of time."""
        self._count += 1
        local = from_epoch(at).astimezone(JST)
        row = (f"w{self._count:09d}", local.strftime("%Y/%m/%d %H:%M:%S"), cookie, path, user_agent)
        self._waiting.setdefault(local.strftime("%Y%m%d"), []).append(row)

    def flush(self) -> None:
        """Appends what was noted, each day's lines in one write; a new file opens with its header."""
        for day, rows in self._waiting.items():
            path = self._folder / f"access_{day}.csv"
            text = io.StringIO()
            writer = csv.writer(text)
            if not path.exists():
                writer.writerow(_HEADER)
            writer.writerows(rows)
            with path.open("ab") as file:
                # A path from a mail's link may hold what CP932 cannot: a server would log a question mark.
                file.write(text.getvalue().encode("cp932", errors="replace"))
        self._waiting.clear()
