"""The HTTP API, version 1: submit a file, follow its scan, read the result, delete it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from unmask.service import evidence, pdf, scans
from unmask.service.intake import Wishes, receive_scan
from unmask.service.languages import language_of
from unmask.service.problems import Problem, not_found, responses
from unmask.service.scan_row import ScanRow
from unmask.service.scans import overall_share
from unmask.service.service import Owner, OwnerHere, Service, ServiceHere
from unmask.service.webhooks import check_address

router = APIRouter(prefix="/v1", tags=["scans"])

ScanId = Annotated[
    str, PathParameter(pattern="^[0-9a-f]{32}$", description="Id of a scan.", min_length=32)
]
Code = Literal["en", "de", "fr", "es"]
ReportLanguage = Annotated[
    Code | None,
    Query(description="Language of the report; without it, what Accept-Language asks for."),
]
_PICTURE = re.compile(r"(face[0-9]{1,6}|still)-frame[0-9]{1,9}(-[a-z+-]{1,32})?\.(jpg|png)")
_EVENT_SECONDS = 0.5
"""Time between two looks for news of a scan."""
_KEEP_ALIVE_SECONDS = 15.0
_MULTIPART = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "description": "The video or picture, as you got it.",
                        }
                    },
                }
            }
        },
    }
}


class VerdictBrief(BaseModel):
    """The verdict in short; the result says how sure it is."""

    word: str
    """How much speaks for manipulation."""
    probability: float | None
    """Calibrated probability of manipulation; null where it cannot be judged."""


class ScanProblem(BaseModel):
    """Why a scan failed."""

    error: str
    """What was wrong."""
    hint: str | None
    """The next step."""


class ScanStatus(BaseModel):
    """A scan: how far it is and where its result is."""

    id: str
    """Its id."""
    name: str
    """The file's name, as it was sent."""
    state: Literal["queued", "running", "finished", "failed"]
    """How far it is."""
    stage: str | None
    """What is being done, while it runs."""
    progress: float
    """How much of the whole is done, 0 to 1, roughly."""
    size_bytes: int
    """Size of the file."""
    sha256: str
    """SHA-256 of the file."""
    media_type: str
    """What the file is, by its content."""
    attempts: int
    """How often the scan was begun."""
    created: datetime
    """When it was accepted."""
    started: datetime | None
    """When it was last begun."""
    finished: datetime | None
    """When it ended."""
    verdict: VerdictBrief | None
    """The verdict, once there is one."""
    problem: ScanProblem | None
    """Why it failed, if it did."""
    links: dict[str, str]
    """Where the rest is."""


class ScanList(BaseModel):
    """Part of a list of scans."""

    items: list[ScanStatus]
    """The newest first."""
    next: str | None
    """The cursor of the next part; null at the end."""


class CustodyEvent(BaseModel):
    """One entry of the custody log."""

    at: datetime
    """When."""
    what: str
    """What happened."""


def moment(seconds: float | None) -> datetime | None:
    """Return a time as stored in the database as one that JSON shows."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def status_of(row: ScanRow) -> ScanStatus:
    """Return what a caller sees of a scan."""
    base = f"/v1/scans/{row.id}"
    links = {"self": base, "events": f"{base}/events", "custody": f"{base}/custody"}
    if row.state == "finished":
        names = ["result", "result.csv", "report", "pictures", "evidence"]
        names += ["report.pdf"] if pdf.available() else []
        names += ["film"] if row.film is not None else []
        links |= {name: f"{base}/{name}" for name in names}
    verdict = None if row.word is None else VerdictBrief(word=row.word, probability=row.probability)
    failed = row.state == "failed"
    return ScanStatus(
        id=row.id,
        name=row.name,
        state=row.state,
        stage=row.stage if row.state == "running" else None,
        progress=1.0 if row.ended else overall_share(row.stage, row.share),
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        media_type=row.media_type,
        attempts=row.attempts,
        created=datetime.fromtimestamp(row.created, UTC),
        started=moment(row.started),
        finished=moment(row.finished),
        verdict=verdict,
        problem=ScanProblem(error=row.error or "unknown", hint=row.hint) if failed else None,
        links=links,
    )


@router.post(
    "/scans",
    status_code=202,
    response_model=ScanStatus,
    openapi_extra=_MULTIPART,
    responses=responses(400, 401, 403, 413, 415, 422, 429, 507),
)
async def submit_scan(  # noqa: PLR0917 - the parameters are the request's parts
    request: Request,
    response: Response,
    service: ServiceHere,
    owner: OwnerHere,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            description="Any text of your own. A second request with the same one and the same "
            "file starts nothing and answers with the first one's scan; with another file it is "
            "refused.",
        ),
    ] = None,
    webhook_url: Annotated[
        str | None,
        Query(max_length=2000, description="https address that is told when the scan has ended."),
    ] = None,
    film: Annotated[
        Code | None,
        Query(
            description="Draw a film with boxes, scores and maps too, its words in this language; "
            "the scan takes about twice as long."
        ),
    ] = None,
) -> ScanStatus:
    """Submit a file to be scanned.

    The answer comes once the file is stored and the scan is in the queue, from where it is not
    lost. Large files, or a bad connection: use `/v1/uploads`.
    """
    _check_webhook(service, owner, webhook_url)
    row = await receive_scan(request, service, owner, Wishes(idempotency_key, webhook_url, film))
    response.headers["Location"] = f"/v1/scans/{row.id}"
    return status_of(row)


def _check_webhook(service: Service, owner: Owner, url: str | None) -> None:
    if url is None:
        return
    if not service.settings.webhooks or owner.key is None or owner.key.webhook_secret is None:
        text = "This key has no webhook_secret, so no webhook can be signed."
        raise Problem(422, "webhook-address", text)
    check_address(url)


@router.get("/scans", response_model=ScanList, responses=responses(401, 422))
def list_scans(
    service: ServiceHere,
    owner: OwnerHere,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    query: Annotated[
        str | None, Query(max_length=200, description="Part of a file's name or of a verdict.")
    ] = None,
) -> ScanList:
    """List your scans, the newest first."""
    page = service.queue.page(owner.name, limit=limit, cursor=cursor, words=query)
    return ScanList(items=[status_of(row) for row in page.items], next=page.cursor)


@router.get("/scans/{scan_id}", response_model=ScanStatus, responses=responses(401, 404, 422))
def get_scan(scan_id: ScanId, service: ServiceHere, owner: OwnerHere) -> ScanStatus:
    """Show how far a scan is."""
    return status_of(service.require_scan(owner, scan_id))


@router.delete("/scans/{scan_id}", status_code=204, responses=responses(401, 403, 404, 422))
def delete_scan(scan_id: ScanId, service: ServiceHere, owner: OwnerHere) -> Response:
    """Delete a scan, its file, its result and its log, at once. One that runs is ended."""
    service.delete(owner, scan_id)
    return Response(status_code=204)


@router.get(
    "/scans/{scan_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **responses(401, 404, 422),
    },
)
async def scan_events(scan_id: ScanId, service: ServiceHere, owner: OwnerHere) -> Response:
    """Follow a scan as server-sent events.

    An event `progress` for each change, its data a scan as `GET /v1/scans/{id}` shows it; then
    `ended`, or `deleted`.
    """
    await run_in_threadpool(service.require_scan, owner, scan_id)
    return StreamingResponse(
        _events(service, owner, scan_id), media_type="text/event-stream; charset=utf-8"
    )


async def _events(service: Service, owner: Owner, scan_id: str) -> AsyncIterator[str]:
    before, text = None, time.monotonic()
    while True:
        row = await run_in_threadpool(service.queue.get, owner.name, scan_id)
        if row is None:
            yield "event: deleted\ndata: {}\n\n"
            return
        if row != before:
            before, text = row, time.monotonic()
            kind = "ended" if row.ended else "progress"
            yield f"event: {kind}\ndata: {status_of(row).model_dump_json()}\n\n"
        elif time.monotonic() - text > _KEEP_ALIVE_SECONDS:
            text = time.monotonic()
            yield ": still there\n\n"
        if row.ended:
            return
        await asyncio.sleep(_EVENT_SECONDS)


def finished_file(service: Service, owner: Owner, scan_id: str, name: str) -> tuple[ScanRow, Path]:
    """Return a finished scan and a file of its result.

    Raises:
        Problem: 404 without such a scan or file, 409 while it is not finished.
    """
    row = service.require_scan(owner, scan_id)
    if row.state != "finished":
        raise Problem(409, "not-finished", f"The scan has no result: it is {row.state}.")
    path = service.storage.result(scan_id, name)
    if not path.is_file():
        raise not_found()
    return row, path


def _answer(service: Service, scan_id: str, body: str | bytes, kind: str, what: str) -> Response:
    service.queue.note(scan_id, f"{what} read", answered=True)
    return Response(body, media_type=kind)


@router.get(
    "/scans/{scan_id}/result",
    responses={
        200: {
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/ScanDocument"}}
            }
        },
        **responses(401, 404, 409, 422),
    },
)
def scan_result(scan_id: ScanId, service: ServiceHere, owner: OwnerHere) -> Response:
    """Return the result as JSON, as `unmask scan --json` writes it."""
    _, path = finished_file(service, owner, scan_id, "result.json")
    return _answer(service, scan_id, path.read_bytes(), "application/json", "result")


@router.get(
    "/scans/{scan_id}/result.csv",
    responses={200: {"content": {"text/csv": {}}}, **responses(401, 404, 409, 422)},
)
def scan_table(scan_id: ScanId, service: ServiceHere, owner: OwnerHere) -> Response:
    """Return a row for each key frame of each face."""
    _, path = finished_file(service, owner, scan_id, "result.json")
    text = evidence.table(json.loads(path.read_bytes()))
    return _answer(service, scan_id, text, "text/csv; charset=utf-8; header=present", "table")


@router.get(
    "/scans/{scan_id}/report",
    responses={200: {"content": {"text/html": {}}}, **responses(401, 404, 409, 422)},
)
def scan_report(
    request: Request,
    scan_id: ScanId,
    service: ServiceHere,
    owner: OwnerHere,
    language: ReportLanguage = None,
) -> Response:
    """Return the report as one HTML file that needs nothing else."""
    name = scans.report_name(language or language_of(request))
    _, path = finished_file(service, owner, scan_id, name)
    answer = _answer(service, scan_id, path.read_bytes(), "text/html; charset=utf-8", "report")
    # the page's own policy allows its one style and script; this one keeps it from the service
    answer.headers["Content-Security-Policy"] = "sandbox allow-scripts; frame-ancestors 'none'"
    answer.headers["Content-Disposition"] = 'inline; filename="report.html"'
    return answer


@router.get(
    "/scans/{scan_id}/report.pdf",
    responses={200: {"content": {"application/pdf": {}}}, **responses(401, 404, 409, 422)},
)
def scan_pdf(
    request: Request,
    scan_id: ScanId,
    service: ServiceHere,
    owner: OwnerHere,
    language: ReportLanguage = None,
) -> Response:
    """Return the report as PDF/A-3 with the JSON attached; 404 where the service makes none."""
    row, path = finished_file(service, owner, scan_id, "result.json")
    code = language or language_of(request)
    drawn = pdf.draw_pdf(row, path.parent, service.queue.history(scan_id), code)
    answer = _answer(service, scan_id, drawn, "application/pdf", "PDF report")
    answer.headers["Content-Disposition"] = 'attachment; filename="report.pdf"'
    return answer


@router.get(
    "/scans/{scan_id}/evidence",
    responses={200: {"content": {"application/zip": {}}}, **responses(401, 404, 409, 422)},
)
def scan_evidence(
    request: Request,
    scan_id: ScanId,
    service: ServiceHere,
    owner: OwnerHere,
    language: ReportLanguage = None,
) -> Response:
    """Return report, JSON, CSV, hashes, versions and the custody log as a zip file."""
    name = scans.report_name(language or language_of(request))
    row, report = finished_file(service, owner, scan_id, name)
    service.queue.note(scan_id, "evidence bundle read")
    packed = evidence.bundle(
        row, report, service.queue.history(scan_id), signer=service.settings.signer
    )
    answer = _answer(service, scan_id, packed, "application/zip", "evidence bundle")
    disposition = f'attachment; filename="evidence-{scan_id[:8]}.zip"'
    answer.headers["Content-Disposition"] = disposition
    return answer


@router.get(
    "/scans/{scan_id}/custody",
    response_model=list[CustodyEvent],
    responses=responses(401, 404, 422),
)
def scan_custody(scan_id: ScanId, service: ServiceHere, owner: OwnerHere) -> list[CustodyEvent]:
    """Return what happened to the file and its result, and when."""
    service.require_scan(owner, scan_id)
    return [
        CustodyEvent(at=datetime.fromtimestamp(at, UTC), what=what)
        for at, what in service.queue.history(scan_id)
    ]


@router.get(
    "/scans/{scan_id}/pictures",
    response_model=list[str],
    responses=responses(401, 404, 409, 422),
)
def list_pictures(scan_id: ScanId, service: ServiceHere, owner: OwnerHere) -> list[str]:
    """List the pictures of a result: whole key frames, each face's crop, maps to lay over it."""
    _, path = finished_file(service, owner, scan_id, "result.json")
    names = sorted(each.name for each in (path.parent / "pictures").iterdir())
    return [f"/v1/scans/{scan_id}/pictures/{name}" for name in names]


@router.get(
    "/scans/{scan_id}/pictures/{name}",
    response_class=FileResponse,
    responses={
        200: {"content": {"image/jpeg": {}, "image/png": {}}},
        **responses(401, 404, 409, 422),
    },
)
def scan_picture(
    scan_id: ScanId,
    name: Annotated[str, PathParameter(max_length=80)],
    service: ServiceHere,
    owner: OwnerHere,
) -> Response:
    """Return one picture of a result."""
    if not _PICTURE.fullmatch(name):
        raise not_found()
    _, path = finished_file(service, owner, scan_id, f"pictures/{name}")
    return FileResponse(path)


@router.get(
    "/scans/{scan_id}/film",
    response_class=FileResponse,
    responses={
        200: {"content": {"video/mp4": {}}},
        206: {"description": "Part of the film", "content": {"video/mp4": {}}},
        416: {"description": "Range Not Satisfiable"},
        **responses(400, 401, 404, 409, 422),
    },
)
def scan_film(scan_id: ScanId, service: ServiceHere, owner: OwnerHere) -> Response:
    """Return the film with boxes, scores and maps drawn in, if it was asked for."""
    _, path = finished_file(service, owner, scan_id, scans.OVERLAY_NAME)
    return FileResponse(path, media_type="video/mp4", content_disposition_type="inline")


@router.get(
    "/scans/{scan_id}/media",
    response_class=FileResponse,
    responses={
        200: {"content": {"video/*": {}, "image/*": {}}},
        206: {"description": "Part of the file", "content": {"video/*": {}, "image/*": {}}},
        416: {"description": "Range Not Satisfiable"},
        **responses(400, 401, 404, 422),
    },
)
def scan_media(scan_id: ScanId, service: ServiceHere, owner: OwnerHere) -> Response:
    """Return the file that was sent, or a range of it."""
    row = service.require_scan(owner, scan_id)
    path = service.storage.media(scan_id)
    if not path.is_file():
        raise not_found()
    return FileResponse(path, media_type=row.media_type, content_disposition_type="inline")


def add_result_schema(description: dict[str, Any], schema: dict[str, Any]) -> None:
    """Put the schema of results into an OpenAPI description, whose references name components."""
    text = json.dumps(schema).replace('"#/$defs/', '"#/components/schemas/')
    document = json.loads(text)
    document.pop("$schema", None)
    schemas = description["components"]["schemas"]
    schemas.update(document.pop("$defs", {}))
    schemas["ScanDocument"] = document
