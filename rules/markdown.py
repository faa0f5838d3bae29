"""Makes the HTML and the plain text of a mail out of one Markdown source, in the frame that ships.

Merge fields pass through as they are: a word takes the place of each while Markdown is read, so that nothing in a field
is taken for Markdown, and no Markdown for a field. What comes out are two Jinja2 sources like those of any other mail.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

FRAMES = {"text": "frame.txt", "html": "frame.html"}
_MARK = "<!-- the mail -->\n"
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_SHOWN = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_BARE_LINK = re.compile(r"<(\{\{[^{}]*\}\}[^\s<>]*)>")
_STYLES = {
    "p": "margin:0 0 20px;",
    "h1": "margin:0 0 20px; font-size:24px; line-height:1.4;",
    "h2": "margin:32px 0 12px; font-size:20px; line-height:1.4;",
    "h3": "margin:24px 0 8px; font-size:17px; line-height:1.5;",
    "ul": "margin:0 0 20px; padding-left:24px;",
    "ol": "margin:0 0 20px; padding-left:24px;",
    "li": "margin:0 0 8px;",
    "blockquote": "margin:0 0 20px; padding-left:16px; border-left:3px solid #d5dae1; color:#4a5560;",
    "hr": "margin:28px 0; border:0; border-top:1px solid #d5dae1;",
    "table": "margin:0 0 20px; width:100%; border-collapse:collapse; font-size:15px;",
    "th": "padding:8px; border:1px solid #d5dae1; background-color:#f4f5f7; text-align:left;",
    "td": "padding:8px; border:1px solid #d5dae1;",
    "a": "color:#0b4f9e;",
    "img": "max-width:100%; height:auto;",
}
_NESTED_LIST = "margin:8px 0 0; padding-left:24px;"
_BUTTON = (
    "display:inline-block; padding:14px 28px; border-radius:6px; background-color:#0b4f9e; color:#ffffff; "
    "font-weight:bold; text-decoration:none;"
)
_AROUND_BUTTON = "margin:0 0 28px; text-align:center;"


@lru_cache(maxsize=2)
def frame(part: str) -> str:
    """Return the frame of ``text`` or ``html``, with a mark where the mail goes."""
    return (Path(__file__).parent / FRAMES[part]).read_text(encoding="utf-8")


def from_markdown(source: str) -> tuple[str, str]:
    """Return the plain text and the HTML of a mail as Jinja2 sources."""
    source = _BARE_LINK.sub(r"[\1](\1)", _COMMENT.sub("", source))
    words: dict[str, str] = {}
    word = "z" + hashlib.sha256(source.encode()).hexdigest()[:12]

    def keep(found: re.Match[str]) -> str:
        return words.setdefault(found.group(), f"{word}n{len(words)}z")

    reader = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table")
    tokens = reader.parse(_SHOWN.sub(keep, source))
    text = _block(SyntaxTreeNode(tokens))
    _add_styles(tokens)
    html = reader.renderer.render(tokens, reader.options, {})
    for field, name in words.items():
        text, html = text.replace(name, field), html.replace(name, field)
    return frame("text").replace(_MARK, text + "\n"), frame("html").replace(_MARK, html)


def _add_styles(tokens: Sequence[Token]) -> None:
    """Write the looks into the tags: many mail programs drop style sheets."""
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.nesting >= 0 and token.tag in _STYLES:
            looks = _NESTED_LIST if token.tag in {"ul", "ol"} and token.level > 0 else _STYLES[token.tag]
            # a table's cells bring the side they are aligned to
            token.attrSet("style", f"{looks} {token.attrGet('style') or ''}".strip())
        if token.children:
            _add_styles(token.children)
            if _is_one_link(token.children) and before is not None and before.type == "paragraph_open":
                before.attrSet("style", _AROUND_BUTTON)
                token.children[0].attrSet("style", _BUTTON)


def _is_one_link(inline: Sequence[Token]) -> bool:
    """Whether a link is all there is: the mail's call to action, shown as a button."""
    return (
        inline[0].type == "link_open"
        and inline[-1].type == "link_close"
        and sum(token.type == "link_open" for token in inline) == 1
    )


def _block(node: SyntaxTreeNode) -> str:
    """A block as plain text, without an empty line at its end."""
    match node.type:
        case "inline":
            return "".join(map(_inline, node.children))
        case "paragraph":
            (inline,) = node.children
            children = inline.children
            if len(children) == 1 and children[0].type == "link":
                return f"▼ {_inline_all(children[0])}\n{children[0].attrs['href']}"
            return _block(inline)
        case "heading":
            return f"■ {_block(node.children[0])}"
        case "bullet_list":
            return "\n".join(_indented(_block(item), "・", "　") for item in node.children)
        case "ordered_list":
            first = int(node.attrs.get("start", 1))
            items = enumerate(node.children, first)
            return "\n".join(_indented(_block(item), f"{number}. ", "   ") for number, item in items)
        case "blockquote":
            return _indented(_joined(node), "> ", "> ")
        case "fence" | "code_block":
            return node.content.rstrip("\n")
        case "hr":
            return "-" * 20
        case "tr":
            return " | ".join(_block(cell.children[0]) if cell.children else "" for cell in node.children)
        case "table" | "thead" | "tbody" | "list_item":
            return "\n".join(map(_block, node.children))
        case _:
            return _joined(node)


def _joined(node: SyntaxTreeNode) -> str:
    return "\n\n".join(map(_block, node.children))


def _indented(text: str, first: str, rest: str) -> str:
    return first + text.replace("\n", f"\n{rest}")


def _inline(node: SyntaxTreeNode) -> str:
    match node.type:
        case "text" | "code_inline":
            return node.content
        case "softbreak" | "hardbreak":
            return "\n"
        case "link":
            # what follows an address, such as a word in Japanese, must not be taken for a part of it
            label, address = _inline_all(node), f"<{node.attrs['href']}>"
            return address if f"<{label}>" == address else f"{label} {address}"
        case "image":
            return node.content
        case _:
            return _inline_all(node)


def _inline_all(node: SyntaxTreeNode) -> str:
    return "".join(map(_inline, node.children))
