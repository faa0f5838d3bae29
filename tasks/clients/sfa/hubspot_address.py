"""Where HubSpot is, by which proxy, and the token that opens it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from settings import LOOPBACK_HOSTS
from tasks.errors import RunError


def address_of(url: str) -> tuple[str, int | None, str]:
    """The host, the port and the token of a URL, which is never shown: whatever is wrong with it may be the token.

    Raises:
        RunError: It names no host or no token.
    """
    try:
        parts = urlsplit(url)
        host, port, token = parts.hostname or "", parts.port, unquote(parts.password or "")
    except ValueError:
        host = token = ""
        port = None
    is_a_header = token.isascii() and token.isprintable() and " " not in token
    if not host or not token or not is_a_header or parts.scheme != "hubspot":
        raise RunError("NURTURE_SFA_URL must be hubspot://:TOKEN@api.hubapi.com, with a private app's access token")
    return host, port, token


def proxy_of(host: str, make_headers: Callable[..., Any]) -> dict[str, Any]:
    """The proxy that the environment names, which the library does not look for."""
    # a proxy's loopback is another machine's
    found = None if host in LOOPBACK_HOSTS or proxy_bypass(host) else getproxies().get("https")
    if not found:
        return {}
    parts = urlsplit(found if "://" in found else f"http://{found}")
    at = parts.netloc.rpartition("@")[2]
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    headers = {"proxy_headers": make_headers(proxy_basic_auth=login)} if parts.username else {}
    return {"proxy": f"{parts.scheme}://{at}", **headers}
