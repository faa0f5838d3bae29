"""Where Salesforce is, and the credential that opens it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from settings import LOOPBACK_HOSTS
from tasks.errors import RunError

URL_FORM = "salesforce://CLIENT_ID:CLIENT_SECRET@mydomain.my.salesforce.com"
_VERSION = "62.0"
_OLDEST = 46  # the first that makes or changes many records by an id of ours


@dataclass(frozen=True)
class Address:
    """One org, as one app sees it."""

    host: str
    """With the port, where one is named."""
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    version: str
    is_local: bool

    @property
    def base(self) -> str:
        """What every address of it begins with; only this machine is spoken to in the clear."""
        return f"{'http' if self.is_local else 'https'}://{self.host}"


def address_of(url: str) -> Address:
    """The parts of a URL, which is never shown: whatever is wrong with it may be the secret.

    Raises:
        RunError: It lacks a part, or names a version that lacks what is needed.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise _malformed() from None
    client_id, secret = unquote(parts.username or ""), unquote(parts.password or "")
    rest = parts.path.strip("/") or parts.fragment or [name for name, _ in query if name != "version"]
    if parts.scheme != "salesforce" or not host or not client_id or not secret or rest:
        raise _malformed()
    if host in {"login.salesforce.com", "test.salesforce.com"} or host.endswith(".lightning.force.com"):
        raise RunError(
            f"NURTURE_SFA_URL must name the org's own host, such as mydomain.my.salesforce.com, not {host}: Setup, My "
            "Domain shows it"
        )
    version = dict(query).get("version", _VERSION)
    if not re.fullmatch(r"\d{2,3}\.0", version) or float(version) < _OLDEST:
        raise RunError(f"NURTURE_SFA_URL: version must be one such as {_VERSION}, and {_OLDEST}.0 at least")
    shown = f"[{host}]" if ":" in host else host
    return Address(
        shown if port is None else f"{shown}:{port}", client_id, secret, version, is_local=host in LOOPBACK_HOSTS
    )


def _malformed() -> RunError:
    return RunError(
        f"NURTURE_SFA_URL must be {URL_FORM}, with the app's consumer key and secret, percent-encoded, and may end in "
        f"?version={_VERSION}"
    )
