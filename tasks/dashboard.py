"""Writes the dashboard: one HTML file that holds its figures, words and charts' library, and fetches nothing."""

from __future__ import annotations

import base64
import json
import os
import zlib
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from settings import Settings
from tasks.errors import RunError
from tokens import DASHBOARD_SALT, TextSigner
from warehouse.dashboard_data import read_dashboard

LINK_DAYS = 30
"""How long a link to the dashboard works."""
_PAGES = Path(__file__).parent / "pages" / "dashboard"


def write_dashboard(settings: Settings) -> Path:
    """Write the page of the published file's figures to ``dashboard.html`` in the home, and replace the one before.

    Returns:
        The file.

    Raises:
        RunError: Nothing has been published yet.
    """
    if not settings.published.exists():
        raise RunError(f"there is no {settings.published} yet; run `nurture daily` first, which publishes it")
    settings.home.mkdir(parents=True, exist_ok=True)
    data = json.dumps(read_dashboard(settings.published), ensure_ascii=False, separators=(",", ":"))
    environment = Environment(loader=FileSystemLoader(_PAGES), autoescape=True, undefined=StrictUndefined)
    page = environment.get_template("page.html").render(
        style=(_PAGES / "page.css").read_text(encoding="utf-8"),
        data=base64.b64encode(zlib.compress(data.encode(), 9)).decode(),
        library=_library(settings.home),
        script="".join((_PAGES / name).read_text(encoding="utf-8") for name in ("words.js", "page.js")),
    )
    path = settings.dashboard
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(page, encoding="utf-8")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


def dashboard_link(settings: Settings, now: datetime, days: int = LINK_DAYS) -> str:
    """A link by which whoever has it sees the dashboard on the web face, for so many days.

    Raises:
        RunError: There is no key to sign it with.
    """
    if settings.signing_key is None:
        raise RunError("a link has to be signed; set NURTURE_SECRET_KEY")
    until = (now.astimezone(settings.zone) + timedelta(days=days)).date().isoformat()
    return f"{settings.public_url}/dashboard/{TextSigner(settings.signing_key, DASHBOARD_SALT)(until)}"


def _library(home: Path) -> str:
    """Vega, Vega-Lite and Vega-Embed as one script; kept in the home, since to bundle them takes seconds."""
    kept = home / f".vega-{version('vl-convert-python')}.js"
    if not kept.exists():
        import vl_convert

        # nothing in it may end the script element that it is put into
        whole: str = vl_convert.javascript_bundle(None)  # type: ignore[arg-type]
        bundle = whole.replace("</script", "<\\/script")
        fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
        fresh.write_text(bundle, encoding="utf-8")
        fresh.replace(kept)
    return kept.read_text(encoding="utf-8")
