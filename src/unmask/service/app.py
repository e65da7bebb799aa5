"""The application: its parts, its routes, its start and its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import PlainTextResponse
from fastapi.telemetry import TelemetryConfig
from starlette.concurrency import run_in_threadpool

from unmask.service import api, pages, problems, uploads
from unmask.service.guards import Guard
from unmask.service.problems import Problem, responses
from unmask.service.scans import result_schema
from unmask.service.service import Service, ServiceHere
from unmask.service.settings import ServiceSettings
from unmask.service.warm_up import scan_a_picture

_log = logging.getLogger(__name__)

_NO_TELEMETRY: TelemetryConfig = {
    "auto_configure": False,
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
}
"""FastAPI would hand traces to exporters that environment variables name."""

health = APIRouter(tags=["operation"])


@health.get("/health/live", response_class=PlainTextResponse)
def live() -> str:
    """Tell that the process answers."""
    return "live\n"


@health.get("/health/ready", response_class=PlainTextResponse, responses=responses(503))
def ready(service: ServiceHere) -> str:
    """Tell whether scans can be done: after a first one has succeeded, with database and disk."""
    service.queue.counts()
    if not service.ready:
        raise Problem(503, "not-ready", service.not_ready)
    if service.storage.free_bytes() < service.settings.free_bytes:
        raise Problem(503, "not-ready", "The disk is full.")
    return "ready\n"


@health.get("/metrics", response_class=PlainTextResponse)
def metrics(service: ServiceHere) -> Response:
    """Return what is counted, for Prometheus. Hide it from the public in the proxy."""
    text = service.metrics.text(service.queue.counts())
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


@health.get("/v1/schema")
def schema() -> dict[str, Any]:
    """Return the JSON schema of results."""
    return result_schema()


def create_app(settings: ServiceSettings) -> FastAPI:
    """Put the application together.

    Args:
        settings: how it runs.
    """
    service = Service.create(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.runner.start()
        if settings.warm_up:
            threading.Thread(target=partial(_warm_up, service), daemon=True).start()
        else:
            service.ready = True
        yield
        await run_in_threadpool(service.runner.stop)
        service.database.close()

    app = FastAPI(
        title="unmask",
        version=version("unmask"),
        summary="Looks at the faces in a video and says how much speaks for manipulation.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        telemetry=_NO_TELEMETRY,
    )
    app.state.service = service
    problems.install(app)
    for router in (api.router, uploads.router, health, pages.router):
        app.include_router(router)
    _describe_results(app)
    app.add_middleware(
        Guard,
        settings=settings,
        metrics=service.metrics,
        admission=service.admission,
        knows=service.knows,
    )
    return app


def _describe_results(app: FastAPI) -> None:
    """Let the OpenAPI description hold the schema of results."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        values = describe()
        if "ScanDocument" not in values["components"]["schemas"]:
            api.add_result_schema(values, result_schema())
        return values

    app.openapi = described  # type: ignore[method-assign]


def _warm_up(service: Service) -> None:
    """Scan a small picture; say in the log and in /health/ready if that fails."""
    why = scan_a_picture(service.settings)
    if why is None:
        service.ready = True
        _log.info("ready")
    else:
        service.not_ready = f"The first scan failed: {why}"
        _log.error("the first scan failed: %s", why)
