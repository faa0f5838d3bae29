"""Takes the mark-up of chat services out of what a lead typed, so that a form cannot post links or call a whole room.

Slack reads ``<!channel>`` and ``<url|text>``, Teams ``<at>`` and ``[text](url)``, Chatwork ``[toall]``, and all of them
turn addresses into links. What their mark-up needs is written in full width, which reads the same in Japanese.
"""

from __future__ import annotations

_WIDE = str.maketrans({"<": "＜", ">": "＞", "[": "［", "]": "］", "@": "＠"})


def without_markup(text: str) -> str:
    """The text as it is shown, with nothing in it that a chat service would act on; ordinary names stay as they are."""
    return text.translate(_WIDE).replace("://", "：//")
