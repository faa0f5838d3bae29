"""What the law asks a mail to show: 特定電子メール法 and CAN-SPAM want the sender, an opt-out and a contact.

Looked for in the rendered mail and in what a reader sees of it: a name in a comment, a false condition or a style sheet
shows nothing. Values of a lead are looked at here, too: in an address of a link they would tell strangers who reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from rules.models import Template
from rules.templates import marker, render

EVERY_MAIL = ("sender.company", "sender.postal_address", "sender.contact")
OPT_OUT = "unsubscribe_url"
OPT_OUT_WORDS = re.compile(
    r"停止|解除|中止|退会|オプトアウト|受信拒否|受け取らない|unsubscribe|opt[\s-]?out|stop (receiving|these|getting)|"
    r"no longer (receive|wish)",
    re.IGNORECASE,
)
_NEAR = 60
"""Characters before and after a link within which words speak of it."""
_LEAD = re.compile(r"\[\[lead\.(\w+)\]\]")
_TEXT_LINK = re.compile(
    r"(?:https?:|mailto:|tel:|\[\[(?:sender\.site_url|unsubscribe_url|preferences_url|confirm_url)\]\])[!-;=?-~]*",
    re.IGNORECASE,
)
_UNQUOTED = re.compile(r"=[^\"'\s>]*\[\[lead\.(\w+)\]\]")
_HIDDEN = {"head", "style", "script", "title", "template", "noscript"}
_ACTIVE = {"href", "src", "srcset", "action", "formaction", "background", "style", "poster", "data", "xlink:href"}
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])", re.IGNORECASE)
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Seen(HTMLParser):
    """What a reader sees of an HTML mail, and where values of a lead stand that have no place there.

    Args:
        html: The mail.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        """The words shown; a link to opt out stands before its own."""
        self.misplaced: list[tuple[str, str]] = []
        """Field and place of each value that is neither text nor a quoted attribute."""
        self._open: list[tuple[str, bool]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: D102 - the parser's
        values = {name: value or "" for name, value in attrs}
        for name, value in values.items():
            if name in _ACTIVE or name.startswith("on"):
                self.misplaced += [(found, f"the attribute {name}") for found in _LEAD.findall(value)]
        raw = self.get_starttag_text() or ""
        self.misplaced += [(found, "an attribute without quotes") for found in _UNQUOTED.findall(raw)]
        is_hidden = tag in _HIDDEN or "hidden" in values or bool(_HIDDEN_STYLE.search(values.get("style", "")))
        if tag not in _VOID:
            self._open.append((tag, is_hidden))
        if tag in {"a", "area"} and not self._is_hidden():
            linked = (OPT_OUT, "sender.contact")
            self.text += "".join(marker(what) for what in linked if marker(what) in values.get("href", ""))
        elif tag == "img" and not self._is_hidden():
            self.text += values.get("alt", "")

    def handle_endtag(self, tag: str) -> None:  # noqa: D102
        names = [name for name, _ in self._open]
        if tag in names:
            del self._open[len(names) - 1 - names[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:  # noqa: D102
        if not self._is_hidden():
            self.text += data
        elif any(name in {"style", "script"} for name, _ in self._open):
            self.misplaced += [(found, "a style sheet or script") for found in _LEAD.findall(data)]

    def _is_hidden(self) -> bool:
        return any(is_hidden for _, is_hidden in self._open)


def missing_parts(template: Template, fields: tuple[str, ...], *, is_marketing: bool) -> Iterator[tuple[str, str]]:
    """Yield (part, what) for everything the law asks a mail to show and this one does not.

    ``part`` is ``text`` or ``html``; ``what`` a name such as ``sender.company``, or ``words`` where the opt-out link
    stands and nothing says what it is.
    """
    for part in ("text", "html"):
        rendered = render(getattr(template, part), fields)
        text = Seen(rendered).text if part == "html" else rendered
        for what in (*EVERY_MAIL, *((OPT_OUT,) if is_marketing else ())):
            if marker(what) not in text:
                yield part, what
        if is_marketing and marker(OPT_OUT) in text and not _says_so(text):
            yield part, "words"


def misplaced_values(template: Template, fields: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """Yield (part, field, place) for values of a lead where they could do harm or be read by others."""
    for found in Seen(render(template.html, fields)).misplaced:
        yield "html", *found
    for link in _TEXT_LINK.findall(render(template.text, fields)):
        for name in _LEAD.findall(link):
            yield "text", name, "the address of a link"


def _says_so(text: str) -> bool:
    spaced = re.sub(r"\s+", " ", text)
    near = re.compile(rf".{{0,{_NEAR}}}{re.escape(marker(OPT_OUT))}.{{0,{_NEAR}}}", re.DOTALL)
    return any(OPT_OUT_WORDS.search(found.replace(marker(OPT_OUT), "")) for found in near.findall(spaced))
