"""Resumable uploads by tus 1.0: core, creation, expiration and termination.

A client creates an upload with its length, sends parts, asks after a failure how much has come, and
goes on there. With the last byte the file is put into the queue; the header `Unmask-Scan` names
its scan. The protocol is small; the package for it keeps names in files of its own and knows no
owners, so it is written out here. Source: https://tus.io/protocols/resumable-upload
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, BinaryIO

import sqlalchemy as sa
from fastapi import APIRouter, Header, Request, Response
from fastapi import Path as PathParameter
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from unmask.report.language.translation import LANGUAGES
from unmask.service.database import uploads
from unmask.service.intake import (
    Wishes,
    clean_name,
    read_back,
    require_free,
    require_space,
    submit,
    too_large,
)
from unmask.service.problems import Problem, responses, too_many
from unmask.service.service import Owner, OwnerHere, Service, ServiceHere
from unmask.service.storage import new_id

router = APIRouter(prefix="/v1/uploads", tags=["resumable uploads"])

_VERSION = "1.0.0"
_EXTENSIONS = "creation,termination"
_CONTENT = "application/offset+octet-stream"
_BLOCK_BYTES = 2**20
_MOST_OPEN = 100
"""Unfinished uploads of one without a limit of its own."""
_RETRY_SECONDS = 10

UploadId = Annotated[
    str, PathParameter(pattern="^[0-9a-f]{32}$", description="Id of an upload.", min_length=32)
]
Resumable = Annotated[str | None, Header(description="1.0.0, the version of tus.")]


@dataclass(frozen=True)
class _Upload:
    """An upload as the database has it."""

    id: str
    name: str
    length: int
    scan_id: str | None
    film: str | None


def _version(text: str | None) -> None:
    if text != _VERSION:
        headers = {"Tus-Version": _VERSION}
        message = f"Send the header Tus-Resumable: {_VERSION}."
        raise Problem(412, "tus-version", message, headers=headers)


def _tus(status: int, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status_code=status, headers={"Tus-Resumable": _VERSION, **named})


@router.options("", status_code=204)
def describe(service: ServiceHere) -> Response:
    """Tell what of tus is understood."""
    most = str(service.settings.max_upload_bytes)
    return _tus(204, Tus_Version=_VERSION, Tus_Extension=_EXTENSIONS, Tus_Max_Size=most)


@router.post("", status_code=201, responses=responses(400, 401, 403, 412, 413, 422, 429, 507))
def create(
    service: ServiceHere,
    owner: OwnerHere,
    upload_length: Annotated[int, Header(ge=1, description="Size of the file in bytes.")],
    tus_resumable: Resumable = None,
    upload_metadata: Annotated[
        str | None,
        Header(
            max_length=4000,
            description="`filename` and its value in Base64; `film` and a language, as of "
            "`POST /v1/scans`.",
        ),
    ] = None,
) -> Response:
    """Begin an upload; its address is in the header Location."""
    _version(tus_resumable)
    if upload_length > service.settings.max_upload_bytes:
        raise too_large(service.settings.max_upload_bytes)
    require_space(service, owner, upload_length)
    metadata = _metadata(upload_metadata or "")
    upload_id = new_id()
    service.storage.upload(upload_id).touch(mode=0o600)
    try:
        with service.database.writing() as connection:
            _require_few(connection, owner, service.quota(owner).concurrent)
            connection.execute(
                uploads.insert().values(
                    id=upload_id,
                    owner=owner.name,
                    name=clean_name(metadata.get("filename", metadata.get("name", ""))),
                    film=_film(metadata.get("film")),
                    length=upload_length,
                    created=time.time(),
                )
            )
    except BaseException:
        service.storage.remove_upload(upload_id)
        raise
    return _tus(201, Location=f"/v1/uploads/{upload_id}")


def _require_few(connection: sa.Connection, owner: Owner, most: int | None) -> None:
    """Refuse an upload beside many others: each reserves its length before a byte has come."""
    own = sa.select(sa.func.count()).where(
        uploads.c.owner == owner.name, uploads.c.scan_id.is_(None)
    )
    open_ = int(connection.scalar(own) or 0)
    if open_ >= (_MOST_OPEN if most is None else most):
        raise too_many(
            "too-many-uploads",
            f"{open_} uploads of this key are not finished, which is its limit.",
            seconds=_RETRY_SECONDS,
        )


def _metadata(header: str) -> dict[str, str]:
    """Read what an upload says of itself, only the keys that are understood."""
    found = {}
    for pair in header.split(","):
        key, _, value = pair.strip().partition(" ")
        if key in {"filename", "name", "film"}:
            try:
                found[key] = base64.b64decode(value, validate=True).decode("utf-8", "replace")
            except (binascii.Error, ValueError) as error:
                text = "A value of Upload-Metadata is not Base64."
                raise Problem(400, "bad-metadata", text) from error
    return found


def _film(code: str | None) -> str | None:
    if code is not None and code not in LANGUAGES:
        text = f"The film's language is one of {', '.join(LANGUAGES)}."
        raise Problem(400, "bad-metadata", text)
    return code


@router.head("/{upload_id}", responses=responses(401, 404, 412, 422))
def offset(
    upload_id: UploadId,
    service: ServiceHere,
    owner: OwnerHere,
    tus_resumable: Resumable = None,
) -> Response:
    """Tell how much of an upload has come."""
    _version(tus_resumable)
    upload = _require(service, owner, upload_id)
    return _tus(200, Upload_Length=str(upload.length), **_progress(service, upload))


def _progress(service: Service, upload: _Upload) -> dict[str, str]:
    if upload.scan_id is not None:
        scan = f"/v1/scans/{upload.scan_id}"
        return {"Upload_Offset": str(upload.length), "Unmask_Scan": scan}
    return {"Upload_Offset": str(service.storage.upload(upload.id).stat().st_size)}


@router.patch(
    "/{upload_id}",
    status_code=204,
    responses=responses(400, 401, 403, 404, 409, 412, 413, 415, 422, 423, 429, 507),
    openapi_extra={
        "requestBody": {"content": {_CONTENT: {"schema": {"type": "string"}}}, "required": False}
    },
)
async def append(  # noqa: PLR0917 - the parameters are the request's parts
    upload_id: UploadId,
    request: Request,
    service: ServiceHere,
    owner: OwnerHere,
    upload_offset: Annotated[int, Header(ge=0, description="Where this part begins.")],
    tus_resumable: Resumable = None,
) -> Response:
    """Send a part of the file; the last one puts it into the queue."""
    _version(tus_resumable)
    if request.headers.get("content-type") != _CONTENT:
        raise Problem(415, "not-a-part", f"Send the part as {_CONTENT}.")
    upload = await run_in_threadpool(_require, service, owner, upload_id)
    if upload.scan_id is not None:
        return _tus(204, **_progress(service, upload))
    path = service.storage.upload(upload_id)
    with _alone(path) as file:
        await _write(request, file, upload, upload_offset, service)
        if path.stat().st_size == upload.length:
            scan_id = await run_in_threadpool(_finish, service, owner, upload, path)
            upload = replace(upload, scan_id=scan_id)
    return _tus(204, **_progress(service, upload))


@contextmanager
def _alone(path: Path) -> Iterator[BinaryIO]:
    """Open an upload to append to it, which one request at a time may do, in any process."""
    try:
        opened = os.open(path, os.O_WRONLY | os.O_APPEND)  # made anew it would stay for ever
    except FileNotFoundError as error:
        raise Problem(404, "not-found", "There is no such upload.") from error
    with os.fdopen(opened, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            text = "Another request is sending a part of this upload."
            raise Problem(423, "upload-locked", text) from error
        yield file


async def _write(
    request: Request, file: BinaryIO, upload: _Upload, start: int, service: Service
) -> None:
    """Append a part, as much of it as comes."""
    have = os.fstat(file.fileno()).st_size
    if start != have:
        raise Problem(409, "wrong-offset", f"{have} bytes have come; go on from there.")
    waiting = bytearray()
    try:
        async for chunk in request.stream():
            have += len(chunk)
            if have > upload.length:
                raise Problem(413, "too-large", "The part goes beyond the end of the file.")
            waiting += chunk
            if len(waiting) >= _BLOCK_BYTES:
                require_free(service)
                block, waiting = bytes(waiting), bytearray()
                await run_in_threadpool(file.write, block)
    except ClientDisconnect:
        pass  # what came is kept: the client asks how much it was
    file.write(waiting)
    file.flush()


def _finish(service: Service, owner: Owner, upload: _Upload, path: Path) -> str:
    """Put a whole upload into the queue and return its scan's id; done twice, it is the same."""
    try:
        received = read_back(path, upload.name)
    except Problem:
        _remove(service, upload.id)
        raise
    scan_id, target = service.storage.draft()
    os.link(path, target)
    try:
        wishes = Wishes(f"upload {upload.id}", film=upload.film)
        row = submit(service, owner, scan_id, received, wishes=wishes)
    finally:
        service.storage.drop_draft(scan_id)
    with service.database.writing() as connection:
        this = uploads.c.id == upload.id
        connection.execute(uploads.update().where(this).values(scan_id=row.id))
    service.storage.remove_upload(upload.id)
    return row.id


@router.delete("/{upload_id}", status_code=204, responses=responses(401, 403, 404, 412, 422))
def terminate(
    upload_id: UploadId,
    service: ServiceHere,
    owner: OwnerHere,
    tus_resumable: Resumable = None,
) -> Response:
    """End an upload and remove what has come; its scan, if there is one, stays."""
    _version(tus_resumable)
    _require(service, owner, upload_id)
    _remove(service, upload_id)
    return _tus(204)


def _remove(service: Service, upload_id: str) -> None:
    with service.database.writing() as connection:
        connection.execute(sa.delete(uploads).where(uploads.c.id == upload_id))
    service.storage.remove_upload(upload_id)


def _require(service: Service, owner: Owner, upload_id: str) -> _Upload:
    columns = [uploads.c[each.name] for each in fields(_Upload)]
    mine = (uploads.c.id == upload_id) & (uploads.c.owner == owner.name)
    with service.database.reading() as connection:
        row = connection.execute(sa.select(*columns).where(mine)).first()
    if row is None:
        raise Problem(404, "not-found", "There is no such upload. It may have ended or expired.")
    return _Upload(*row)
