"""Uploads on their way to the disk: counted, hashed, looked at, and never held in memory.

A multipart body is read as a stream; only its file part is kept, and that goes to the disk as it
comes. The name that the sender gives is text and becomes no path.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from unmask.service.media_types import HEAD_BYTES, media_type
from unmask.service.problems import Problem
from unmask.service.scan_row import ScanRow, Submission
from unmask.service.service import Owner, Service

_BLOCK_BYTES = 2**20
"""What is gathered before it is written."""
_HEADER_BYTES = 8192
_LOOK_BYTES = 16 * 2**20
"""How much comes between two looks at the room on the disk."""
_NAME_CHARACTERS = 255
_UNNAMED = "unnamed file"


@dataclass(frozen=True)
class Received:
    """A file that lies on the disk."""

    name: str
    """What the sender calls it."""
    size_bytes: int
    """Its size."""
    sha256: str
    """Its SHA-256, hexadecimal."""
    media_type: str
    """What it is, by its content."""


@dataclass(frozen=True)
class Wishes:
    """What an owner asks for beside the scan."""

    idempotency_key: str | None = None
    """A second submission of the same file under the same one is the first one again."""
    webhook_url: str | None = None
    """Where the end is to be told."""
    film: str | None = None
    """Language of a film with boxes and maps drawn in; None: none."""


def clean_name(text: str) -> str:
    r"""Return a file's name without folders, of a length that can be stored.

    >>> clean_name("..\\..\\a/b/../clip.mp4")
    'clip.mp4'
    """
    last = text.replace("\\", "/").rsplit("/", 1)[-1].replace("\x00", "").strip()
    name = last.encode("utf-8", "backslashreplace").decode("utf-8")[-_NAME_CHARACTERS:]
    return _UNNAMED if name in {"", ".", ".."} else name


def too_large(limit: int) -> Problem:
    """Return the answer to an upload that is larger than allowed."""
    return Problem(413, "too-large", f"The file is larger than {limit / 2**20:.0f} MiB.")


def checked_type(head: bytes) -> str:
    """Return what a file is by its first bytes.

    Raises:
        Problem: 415 where it is neither a video nor a picture.
    """
    kind = media_type(head)
    if kind is None:
        text = "This is no video or picture of a known kind. Send the original file, not a link."
        raise Problem(415, "not-media", text)
    return kind


class _FilePart:
    """What a streaming parser finds in a multipart body: the one part that is a file."""

    def __init__(self, boundary: bytes) -> None:
        self.name: str | None = None
        self.ready = bytearray()
        self.whole = False
        self._field, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._inside = False
        self._header_bytes = 0
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._take_field,
                "on_header_value": self._take_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._open,
                "on_part_data": self._take,
                "on_part_end": self._close,
                "on_end": self._end,
            },
        )

    def _begin(self) -> None:
        self._disposition = b""
        self._header_bytes = 0

    def _take_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]
        self._bound(end - start)

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bound(end - start)

    def _bound(self, count: int) -> None:
        self._header_bytes += count
        if self._header_bytes > _HEADER_BYTES:
            raise Problem(400, "bad-multipart", "The headers of a part are too long.")

    def _end_header(self) -> None:
        if bytes(self._field).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._field, self._value = bytearray(), bytearray()

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        value = options.get(b"filename")
        if value is None:
            return
        if self.name is not None:
            raise Problem(400, "bad-multipart", "Send one file in each request.")
        self.name = clean_name(value.decode("utf-8", "replace"))
        self._inside = True

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self.ready += data[start:end]

    def _close(self) -> None:
        self._inside = False

    def _end(self) -> None:
        self.whole = True


async def _blocks(request: Request, part: _FilePart) -> AsyncIterator[bytes]:
    """Yield the file of a multipart body in blocks."""
    try:
        async for chunk in request.stream():
            part.parser.write(chunk)
            if len(part.ready) >= _BLOCK_BYTES:
                block, part.ready = bytes(part.ready), bytearray()
                yield block
        part.parser.finalize()
    except FormParserError as error:
        raise Problem(400, "bad-multipart", "The body is no valid multipart form.") from error
    if not part.whole:
        raise Problem(400, "bad-multipart", "The body ends early.")
    yield bytes(part.ready)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise Problem(415, "not-multipart", "Send the file as multipart/form-data.")
    return boundary


async def receive(request: Request, target: Path, service: Service) -> Received:
    """Write the file of a multipart request.

    Args:
        request: the request.
        target: where it is written.
        service: for the most bytes, and the room on its disk.

    Raises:
        Problem: it is too large, no media, the body is damaged, or the disk is full.
    """
    limit = service.settings.max_upload_bytes
    part = _FilePart(_boundary(request))
    digest, size, head = hashlib.sha256(), 0, b""
    with target.open("wb") as file:
        try:
            async for block in _blocks(request, part):
                size += len(block)
                if size > limit:
                    raise too_large(limit)
                if size // _LOOK_BYTES > (size - len(block)) // _LOOK_BYTES:
                    require_free(service)
                if len(head) < HEAD_BYTES:
                    head = (head + block)[:HEAD_BYTES]
                    if len(head) == HEAD_BYTES:
                        checked_type(head)
                digest.update(block)
                await run_in_threadpool(file.write, block)
        except ClientDisconnect as error:
            raise Problem(400, "bad-multipart", "The body ends early.") from error
    if part.name is None:
        raise Problem(422, "no-file", "There is no file in the form, in a field called file.")
    return Received(part.name, size, digest.hexdigest(), checked_type(head))


def read_back(path: Path, name: str) -> Received:
    """Describe a file that was written part by part.

    Raises:
        Problem: it is no media.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        kind = checked_type(head)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Received(name, path.stat().st_size, digest, kind)


def require_space(service: Service, owner: Owner, size_bytes: int) -> None:
    """Refuse an upload before it is received.

    Raises:
        Problem: the queue, the owner's quota or the disk is full, or it is too large.
    """
    if size_bytes > service.settings.max_upload_bytes:
        raise too_large(service.settings.max_upload_bytes)
    service.queue.require_room(owner.name, size_bytes, service.quota(owner))
    require_free(service, size_bytes)


def require_free(service: Service, size_bytes: int = 0) -> None:
    """Refuse what the disk has no room for; many may be sending at the same time.

    Raises:
        Problem: it would leave less than the settings keep free.
    """
    if service.storage.free_bytes() < size_bytes + service.settings.free_bytes:
        raise Problem(507, "storage-full", "There is no room for this file now. Try again later.")


def submit(
    service: Service,
    owner: Owner,
    scan_id: str,
    received: Received,
    *,
    wishes: Wishes,
) -> ScanRow:
    """Put a received draft into the queue, durably.

    Raises:
        Problem: it became full meanwhile.
    """
    submission = Submission(
        scan_id,
        owner.name,
        received.name,
        received.size_bytes,
        received.sha256,
        received.media_type,
        wishes.idempotency_key,
        wishes.webhook_url,
        wishes.film,
    )
    service.storage.keep(scan_id)
    try:
        row = service.queue.accept(submission, service.quota(owner))
    except BaseException:
        service.storage.remove(scan_id)
        raise
    if row.id != scan_id:
        service.storage.remove(scan_id)
    else:
        service.admission.add(1)
        service.metrics.accepted.inc()
        service.runner.wake()
    return row


async def receive_scan(request: Request, service: Service, owner: Owner, wishes: Wishes) -> ScanRow:
    """Receive a multipart request and put its file into the queue.

    Raises:
        Problem: whatever keeps it from being accepted; nothing of it stays on the disk then.
    """
    earlier = await run_in_threadpool(service.queue.repeated, owner.name, wishes.idempotency_key)
    if earlier is None:  # a repeated request needs no room: its file is compared and dropped
        length = request.headers.get("content-length", "")
        declared = int(length) if length.isdecimal() else 0
        await run_in_threadpool(require_space, service, owner, max(0, declared - _HEADER_BYTES))
    scan_id, target = service.storage.draft()
    try:
        received = await receive(request, target, service)
        return await run_in_threadpool(submit, service, owner, scan_id, received, wishes=wishes)
    finally:
        service.storage.drop_draft(scan_id)
