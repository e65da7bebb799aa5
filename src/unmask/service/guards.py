"""What every request passes: which host it names, where it comes from; and what every answer says.

A page on the web can make a browser send requests to this machine, also under a name of its own
that leads here (DNS rebinding). So a request must name a host that this service goes by, and one
that changes anything must not come from another site, by what the browser says of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unmask.service.admission import Admission
from unmask.service.languages import language_of
from unmask.service.metrics import Metrics
from unmask.service.problems import Problem
from unmask.service.settings import ServiceSettings

_log = logging.getLogger("unmask.service.requests")

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""What pages may load: their own files, and pictures that are written into them."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class Guard:
    """Wraps an application.

    Args:
        app: the application.
        settings: which hosts it goes by.
        metrics: where refusals are counted.
        admission: whether there is room in the queue.
        knows: whether a key is known.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ServiceSettings,
        metrics: Metrics,
        admission: Admission,
        knows: Callable[[Headers], bool],
    ) -> None:
        self._app = app
        self._admission = admission
        self._knows = knows
        self._hosts = frozenset(map(str.lower, settings.public_hosts)) | _LOOPBACK
        self._any_host = bool(settings.keys) and not settings.public_hosts
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()

        started = False

        async def text(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                self._count(scope, message["status"], time.monotonic() - began)
            await send(message)

        headers = Headers(scope=scope)
        refused = self._refusal(scope["method"], headers)
        if refused is None and self._knows(headers):  # strangers are told no more than that
            refused = self._admission.refusal(scope, headers)
        if refused is not None:
            await refused.answer(language_of(Request(scope)))(scope, receive, text)
            return
        try:
            with self._admission.receiving(scope):
                await self._app(scope, receive, text)
        except Exception:
            _log.exception("a fault while %s was answered", scope["method"])
            if started:
                raise
            fault = Problem(500, "fault", "The service failed. Its log says why.")
            await fault.answer()(scope, receive, text)

    def _refusal(self, method: str, headers: Headers) -> Problem | None:
        host = headers.get("host", "")
        name = urlsplit(f"//{host}").hostname if _is_plain(host) else None
        if not self._any_host and name not in self._hosts:
            text = "This service does not go by the name in the Host header."
            return Problem(421, "wrong-host", text)
        if method not in _SAFE and _is_from_elsewhere(headers, host):
            text = "Requests from other sites are refused. Open this service's own page."
            return Problem(403, "cross-site", text)
        return None

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        """Log the route and never the address itself, whose search words may hold names."""
        route = getattr(scope.get("route"), "path", "-")
        _log.info("%s %s %d %.0f ms", scope["method"], route, status, seconds * 1000)
        if status in {401, 403, 413, 415, 421, 429, 507}:
            self._metrics.refused.labels(str(status)).inc()
            self._metrics.refusal_seconds.observe(seconds)


def _is_plain(host: str) -> bool:
    return all(char.isascii() and (char.isalnum() or char in "-.:[]_") for char in host)


def _is_from_elsewhere(headers: Headers, host: str) -> bool:
    """Tell whether a browser sends a request for another site's page.

    Other programs send neither header. Browsers have sent `Origin` with every such request for
    years, and `Sec-Fetch-Site` where the connection is trusted, as the loopback one is.
    """
    fetched = headers.get("sec-fetch-site")
    if fetched is not None:
        return fetched not in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2].lower() != host.lower()


def page_headers(extra: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Return the headers of a page."""
    return {"Content-Security-Policy": PAGE_POLICY, **dict(extra)}
