"""The pages for people: hand in files, watch, read the result, compare, delete.

They are drawn on the server and work without scripts; a script adds dropping files, bars that move
and the player that follows the timeline. What a report shows is the report itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from unmask.report.language.translation import LANGUAGES, _, in_language, local_number
from unmask.service import pdf, scans
from unmask.service.api import ScanId, status_of
from unmask.service.guards import page_headers
from unmask.service.intake import Wishes, receive_scan
from unmask.service.languages import COOKIE as LANGUAGE_COOKIE
from unmask.service.languages import language_of
from unmask.service.page_templates import draw
from unmask.service.problems import Problem, not_found
from unmask.service.scan_row import ScanRow
from unmask.service.service import (
    COOKIE,
    SESSION_SECONDS,
    Owner,
    Service,
    ServiceHere,
    known_owner,
)

router = APIRouter(include_in_schema=False)

_PAGE_ITEMS = 20
"""Scans on one page of the history."""
_LANGUAGE_SECONDS = 365 * 86_400
"""How long a browser keeps the language that was chosen."""
_FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "report.css": "text/css",
    "report.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


def _page(
    request: Request, service: Service, name: str, *, status: int = 200, **values: Any
) -> HTMLResponse:
    owner = known_owner(request)
    hours = service.settings.retention_seconds / 3600
    code = language_of(request)
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    with in_language(code):
        text = draw(
            name,
            signed_in=owner is not None and owner.key is not None,
            owner=owner,
            hours=hours,
            hours_text=local_number(f"{hours:g}"),
            back=back,
            **values,
        )
    headers = page_headers([("Content-Language", code), ("Vary", "Accept-Language, Cookie")])
    return HTMLResponse(text, status, headers=headers)


def _enter(request: Request) -> Owner | RedirectResponse:
    """Return who is asking, or lead to where a key is shown."""
    owner = known_owner(request)
    return RedirectResponse("/sign-in", 303) if owner is None else owner


@router.get("/")
def home(
    request: Request,
    service: ServiceHere,
    query: Annotated[str | None, Query(max_length=200)] = None,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """Show where to hand in files, and the history."""
    owner = _enter(request)
    if not isinstance(owner, Owner):
        return owner
    page = service.queue.page(owner.name, limit=_PAGE_ITEMS, cursor=cursor, words=query)
    most = service.settings.max_upload_bytes
    return _page(
        request, service, "home.html.j2", page=page, query=query or "", most=most, error=None
    )


@router.post("/")
async def hand_in(request: Request, service: ServiceHere) -> Response:
    """Take one file from the form, where no script runs."""
    owner = await run_in_threadpool(_enter, request)
    if not isinstance(owner, Owner):
        return owner
    try:
        row = await receive_scan(request, service, owner, Wishes())
    except Problem as problem:
        page = await run_in_threadpool(
            service.queue.page, owner.name, limit=_PAGE_ITEMS, cursor=None, words=None
        )
        return _page(
            request,
            service,
            "home.html.j2",
            status=problem.status,
            page=page,
            query="",
            most=service.settings.max_upload_bytes,
            error=problem.detail,
        )
    return RedirectResponse(f"/scans/{row.id}", 303)


@router.get("/scans/{scan_id}")
def show(request: Request, scan_id: ScanId, service: ServiceHere) -> Response:
    """Show how far a scan is, or its result."""
    owner = _enter(request)
    if not isinstance(owner, Owner):
        return owner
    row = service.queue.get(owner.name, scan_id)
    if row is None:
        return _page(request, service, "gone.html.j2", status=404)
    if row.state != "finished":
        return _page(
            request, service, "progress.html.j2", row=row, progress=status_of(row).progress
        )
    others = service.queue.page(owner.name, limit=_PAGE_ITEMS, cursor=None, words=None).items
    return _page(
        request,
        service,
        "result.html.j2",
        row=row,
        article=_article(service, row, language_of(request)),
        pdf=pdf.available(),
        others=[each for each in others if each.state == "finished" and each.id != row.id],
    )


def _article(service: Service, row: ScanRow, code: str) -> Markup:
    path = service.storage.result(row.id, scans.article_name(code))
    if not path.is_file():
        raise not_found()
    return Markup(path.read_text(encoding="utf-8"))  # noqa: S704 - our own report, which escapes


@router.post("/scans/{scan_id}/delete")
def delete(request: Request, scan_id: ScanId, service: ServiceHere) -> Response:
    """Delete a scan with everything of it."""
    owner = _enter(request)
    if not isinstance(owner, Owner):
        return owner
    service.delete(owner, scan_id)
    return RedirectResponse("/", 303)


@router.get("/compare")
def compare(
    request: Request,
    service: ServiceHere,
    first: Annotated[str, Query(pattern="^[0-9a-f]{32}$")],
    second: Annotated[str, Query(pattern="^[0-9a-f]{32}$")],
) -> Response:
    """Show two results side by side."""
    owner = _enter(request)
    if not isinstance(owner, Owner):
        return owner
    rows = [service.require_scan(owner, scan_id) for scan_id in (first, second)]
    if any(row.state != "finished" for row in rows):
        raise Problem(409, "not-finished", "Both scans must be finished to be compared.")
    sides = [_side(service, row) for row in rows]
    return _page(request, service, "compare.html.j2", sides=sides)


@dataclass(frozen=True)
class _Side:
    """One of two files that are compared."""

    row: ScanRow
    """The scan."""
    result: dict[str, Any]
    """Its result as in the JSON."""
    pictures: dict[int, str]
    """Address of a picture of each face that has one."""


def _side(service: Service, row: ScanRow) -> _Side:
    path = service.storage.result(row.id, "result.json")
    if not path.is_file():
        raise not_found()
    result: dict[str, Any] = json.loads(path.read_bytes())["results"][0]
    pictures: dict[int, str] = {}
    for track in result["tracks"]:
        for key in track["key_frames"]:
            name = scans.crop_name(track["id"], key["frame_index"])
            if service.storage.result(row.id, f"pictures/{name}").is_file():
                pictures.setdefault(track["id"], f"/v1/scans/{row.id}/pictures/{name}")
    return _Side(row, result, pictures)


@router.get("/sign-in")
def sign_in_form(request: Request, service: ServiceHere) -> Response:
    """Ask for a key."""
    if not service.settings.keys:
        return RedirectResponse("/", 303)
    return _page(request, service, "sign_in.html.j2", error=None)


@router.post("/sign-in")
def sign_in(
    request: Request, service: ServiceHere, key: Annotated[str, Form(max_length=200)]
) -> Response:
    """Begin a session for who shows a valid key."""
    owner = service.owner_of_key(key.strip())
    if owner is None:
        with in_language(language_of(request)):
            text = _("This key is not known. Check that you copied all of it.")
        return _page(request, service, "sign_in.html.j2", status=401, error=text)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        COOKIE,
        service.sign_in(owner),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/sign-out")
def sign_out(request: Request, service: ServiceHere) -> Response:
    """End the session."""
    if (token := request.cookies.get(COOKIE)) is not None:
        service.sign_out(token)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.post("/language")
def choose_language(
    code: Annotated[str, Form(max_length=8)], back: Annotated[str, Form(max_length=2000)] = "/"
) -> Response:
    """Keep the language that a reader chose, and go back to the page."""
    inside = back.startswith("/") and not back.startswith(("//", "/\\"))
    answer = RedirectResponse(back if inside else "/", 303)
    if code in LANGUAGES:
        answer.set_cookie(
            LANGUAGE_COOKIE, code, max_age=_LANGUAGE_SECONDS, httponly=True, samesite="lax"
        )
    return answer


@router.get("/docs")
def docs(request: Request, service: ServiceHere) -> Response:
    """Show the API's description, drawn here: nothing is loaded from elsewhere."""
    return _page(request, service, "docs.html.j2", api=request.app.openapi())


@router.get("/static/{name}")
def static(name: str) -> Response:
    """Return a style, a script or the icon."""
    if name not in _FILES:
        raise not_found()
    if name.startswith("report."):
        text = scans.report_asset(name)
    else:
        text = (resources.files("unmask.service") / "static" / name).read_text(encoding="utf-8")
    return Response(text, media_type=_FILES[name], headers={"Cache-Control": "no-cache"})
