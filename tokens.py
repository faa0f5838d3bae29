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


def text_signer(secret_key: str, salt: str) -> Callable[[str], str]:
    """Returns what signs texts, as ``URLSafeSerializer(secret_key, salt).dumps`` does but for its compression."""
    key = Signer(secret_key, salt=salt).derive_key().ljust(_BLOCK, b"\0")
    # the two hashes of an HMAC (RFC 2104), each with the key already in it
    inner, outer = (hashlib.sha1(bytes(byte ^ pad for byte in key), usedforsecurity=False) for pad in (0x36, 0x5C))

    def sign(text: str) -> str:
        payload = _base64(encode_basestring_ascii(text).encode())
        message, code = inner.copy(), outer.copy()
        message.update(payload)
        code.update(message.digest())
        return f"{payload.decode()}.{_base64(code.digest()).decode()}"

    return sign


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


def _base64(content: bytes) -> bytes:
    return b2a_base64(content, newline=False).rstrip(b"=").translate(_URL_SAFE)
