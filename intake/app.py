"""The web face as an ASGI application, and how it is served."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from intake.confirm import Confirm
from intake.context import make_context, page, sender_name
from intake.dashboard import Dashboard
from intake.downloads import Downloads
from intake.follow_up import FollowUp
from intake.forms import Forms
from intake.guard import Guard
from intake.opt_out import OptOut
from intake.tracking import Tracking
from intake.wake import Wake, wake_of_environment
from intake.webhook import Webhook
from rules.models import RuleSet
from settings import Settings

_STYLE = Path(__file__).parent / "pages" / "intake.css"


def make_app(
    settings: Settings,
    rules: RuleSet,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    wake: Wake | None = None,
) -> Starlette:
    """The application; its inbox is open from here to the end of its lifespan. ``wake`` starts cycles at once.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The inbox cannot be opened.
    """
    wake = wake or Wake("")
    context = make_context(settings, rules, clock, wake.hear)
    sender = sender_name(context)
    registry = CollectorRegistry()
    opt_out, webhook = OptOut(context), Webhook(context)
    forms, downloads, tracking = Forms(context), Downloads(context), Tracking(context)
    follow_up = FollowUp(context)
    style = _STYLE.read_bytes()

    async def healthz(_: Request) -> Response:
        def ask() -> None:
            with context.inbox.engine.connect() as connection:
                connection.execute(sa.text("select 1"))

        await run_in_threadpool(ask)
        return PlainTextResponse("ok\n")

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def stylesheet(_: Request) -> Response:
        return Response(style, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})

    async def not_found(request: Request, _: Exception) -> Response:
        return page(request, "message.html", 404, message="not_found", sender=sender)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return page(request, "message.html", error.status_code, message="refused", sender=sender)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        wake.start()
        yield
        wake.stop()
        context.inbox.close()

    return Starlette(
        routes=[
            Route("/confirm/{token}", Confirm(context).confirm, methods=["GET", "POST"]),
            Route("/forms/{form}", forms.form, methods=["GET", "POST"]),
            Route("/forms/{form}/embed", forms.embed),
            Route("/d/{asset}", downloads.download),
            Route("/t.js", tracking.script),
            Route("/t", tracking.beacon, methods=["POST"]),
            Route("/u/{token}", opt_out.opt_out, methods=["GET", "POST"]),
            Route("/preferences/{token}", opt_out.preferences, methods=["GET", "POST"]),
            Route("/h/{token}", follow_up.handoff, methods=["GET", "POST"]),
            Route("/handoffs/{token}", follow_up.handoffs),
            Route("/dashboard/{token}", Dashboard(context).dashboard),
            Route("/webhooks/sendgrid", webhook.take, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/metrics", metrics),
            Route("/intake.css", stylesheet),
        ],
        middleware=[
            Middleware(Guard, registry=registry, is_https=settings.public_url.startswith("https"), sender=sender)
        ],
        exception_handlers={404: not_found, HTTPException: refused},
        lifespan=lifespan,
    )


def serve(settings: Settings, rules: RuleSet, host: str, port: int) -> None:
    """Serve until told to end. Behind a proxy of this machine, the client is who the proxy says.

    Raises:
        OSError: The address cannot be listened on.
    """
    app = make_app(settings, rules, wake=wake_of_environment())
    server_of(app, host=host, port=port, log_level="warning").run()


def server_of(app: Starlette, **options: Any) -> uvicorn.Server:
    """A server that logs no request and says nothing of itself."""
    return uvicorn.Server(uvicorn.Config(app, access_log=False, server_header=False, ws="none", **options))
