"""Signs what links carry, and reads it back. The tokens are those of itsdangerous; a million are made at once here.

Nine tenths of what its serializer spends on a short text goes into trying to compress it, which never pays, and into
deriving the same key again.
"""

from __future__ import annotations

import hashlib
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring_ascii

from itsdangerous import BadData, Signer, URLSafeSerializer

OPT_OUT_SALT = "unsubscribe"
"""Of the tokens in links that end the mails or say which are wanted."""
LEAD_SALT = "lead"
"""Of the tokens by which a click tells whose mail it was in."""
LEAD_PARAMETER = "nl"
"""The query parameter that carries the lead's token."""
CONFIRM_SALT = "confirm"
"""Of the tokens by which the reader of a mail confirms what was agreed to in a form."""
FORM_SALT = "form"
"""Of the tokens by which who sent a form gets its paper."""
FOLLOW_UP_SALT = "follow up"
"""Of the tokens by which a sales rep says what became of a handoff."""
HANDOFFS_SALT = "handoffs"
"""Of the tokens that show a rep's open handoffs, or all of them, for some days."""
DASHBOARD_SALT = "dashboard"
"""Of the tokens that show the dashboard until a day."""
MAX_TOKEN_LETTERS = 200
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_BLOCK = 64


class TextSigner:
    """Signs texts, as ``URLSafeSerializer(secret_key, salt).dumps`` does but for its compression."""

    def __init__(self, secret_key: str, salt: str) -> None:
        key = Signer(secret_key, salt=salt).derive_key().ljust(_BLOCK, b"\0")
        # the two hashes of an HMAC (RFC 2104), each with the key already in it
        self._inner, self._outer = (
            hashlib.sha1(bytes(byte ^ pad for byte in key), usedforsecurity=False) for pad in (0x36, 0x5C)
        )

    def __call__(self, text: str) -> str:
        """The token of a text."""
        return self.tokens(payloads_of([text]))[0]

    def tokens(self, payloads: Sequence[bytes]) -> list[str]:
        """The tokens of texts whose payloads these are: many at once cost less than one by one."""
        new_inner, new_outer = self._inner.copy, self._outer.copy
        codes = []
        for payload in payloads:
            inner, outer = new_inner(), new_outer()
            inner.update(payload)
            outer.update(inner.digest())
            codes.append(outer.digest())
        # with a byte more a code is 21 bytes, which are 28 letters; all but the last are what the code alone would be
        letters = _url_safe(b"\0".join([*codes, b""])).decode()
        return [
            f"{payload.decode()}.{letters[place : place + 27]}"
            for payload, place in zip(payloads, range(0, len(letters), 28), strict=True)
        ]


def payloads_of(texts: Sequence[str]) -> list[bytes]:
    """What tokens of these texts begin with, whoever signs them."""
    return [_url_safe(encode_basestring_ascii(text).encode()).rstrip(b"=") for text in texts]


def text_reader(secret_keys: Sequence[str], salt: str) -> Callable[[str], str | None]:
    """Returns what reads a token back that any of the keys signed for this purpose; None where none did."""
    serializer = URLSafeSerializer(list(reversed(secret_keys)), salt=salt)  # itsdangerous has the newest last

    def read(token: str) -> str | None:
        if len(token) > MAX_TOKEN_LETTERS:
            return None
        try:
            text = serializer.loads(token)
        except BadData:
            return None
        return text if isinstance(text, str) else None

    return read


def _url_safe(content: bytes) -> bytes:
    return b2a_base64(content, newline=False).translate(_URL_SAFE)
