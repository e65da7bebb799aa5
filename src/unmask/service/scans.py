"""The only module that touches the scanning rooms: a file in, the files of its result out.

The scan runs in a worker process of its own (see `unmask.scanner.batch`); this process opens no
upload. The file's place on the server stands in no result: the name that its owner gave takes it.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unmask.core.errors import AnalysisCrashed, UnmaskError
from unmask.report.language.translation import LANGUAGES, in_language

if TYPE_CHECKING:
    import jinja2

    from unmask.core.scan import Scan
    from unmask.report.film_link import FilmLink
    from unmask.report.views import ReportView

Listen = Callable[[str, float], None]
"""Told the stage and how much of it is done, 0 to 1; what it raises ends the scan."""

_STAGES: dict[str, tuple[float, float]] = {
    "starting": (0.0, 0.05),
    "opening": (0.05, 0.1),
    "reading": (0.1, 0.6),
    "key frames": (0.6, 0.75),
    "scoring": (0.75, 0.9),
    "drawing": (0.9, 0.95),
    "writing": (0.95, 1.0),
}
"""Which part of a whole scan each stage is, roughly."""


@dataclass(frozen=True)
class Outcome:
    """How a scan ended."""

    word: str | None
    """The verdict's word; None: it failed."""
    probability: float | None
    """The verdict's probability."""
    error: str | None = None
    """Why it failed."""
    hint: str | None = None
    """The next step then."""
    died: bool = False
    """Whether its process was killed, so that it is worth another try."""


@dataclass(frozen=True)
class Overlay:
    """A film with boxes, scores and maps that is drawn beside a scan."""

    language: str
    """Code of the language of its words."""
    address: str
    """Where the result page links to."""


OVERLAY_NAME = "overlay.mp4"
"""Name of that film in the folder of a result."""


def overall_share(stage: str | None, share: float | None) -> float:
    """Return how much of a whole scan is done, 0 to 1, roughly.

    >>> round(overall_share("reading", 0.5), 2)
    0.35
    """
    first, last = _STAGES.get(stage or "", (0.0, 0.0))
    return first + (last - first) * min(1.0, max(0.0, share or 0.0))


def scan_file(
    media: Path,
    name: str,
    folder: Path,
    *,
    detector: str | None,
    listen: Listen,
    film_address: str | None = None,
    overlay: Overlay | None = None,
) -> Outcome:
    """Scan a file in a process of its own and write its result.

    Args:
        media: the file.
        name: what its owner calls it; stands in the result for the path.
        folder: where `result.json`, and report and article in each language are written.
        detector: name or folder of a detector; None for the shipped one.
        listen: told how far it is.
        film_address: where the result page plays the file from; None where it is not kept.
        overlay: a film that is drawn too; None: none.
    """
    from unmask.scanner.batch import Job, scan_all

    path = str(media)
    draw = None
    if overlay is not None:
        from unmask.report.film import OverlayFilms

        draw = OverlayFilms({path: folder / OVERLAY_NAME}, overlay.language)
    results = scan_all(
        [path],
        Job(detector, draw=draw),
        progress=lambda _place, stage, share: listen(stage, share),
        retry_alone=False,  # the queue counts attempts, and the custody log has each of them
    )
    try:
        _, scan = next(results)
    except UnmaskError as error:
        scan = error
    finally:
        results.close()  # type: ignore[attr-defined]  # a generator: it ends the process
    if isinstance(scan, UnmaskError):
        text = scan.message.replace(repr(path), repr(name)).replace(path, name)
        killed = isinstance(scan, AnalysisCrashed) and scan.killed
        return Outcome(None, None, error=text, hint=scan.hint, died=killed)
    from unmask.report.film_link import FilmLink

    listen("writing", 0.0)
    drawn = overlay is not None and (folder / OVERLAY_NAME).is_file()
    film = FilmLink(film_address, overlay=overlay.address if overlay and drawn else None)
    _write(_renamed(scan, path, name), folder, film)
    verdict = scan.result.verdict
    return Outcome(verdict.word, verdict.probability)


def _renamed(scan: Scan, path: str, name: str) -> Scan:
    """Return a scan that names its file as the owner does."""

    def text(lines: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(line.replace(path, name) for line in lines)

    result = scan.result
    coverage = dataclasses.replace(result.coverage, not_analysed=text(result.coverage.not_analysed))
    record = dataclasses.replace(
        result,
        video=dataclasses.replace(result.video, path=name),
        command=result.command.replace(path, name),
        warnings=text(result.warnings),
        coverage=coverage,
    )
    return dataclasses.replace(scan, result=record)


def _write(scan: Scan, folder: Path, film: FilmLink) -> None:
    """Write a result; the JSON comes last, so that where it is, the rest is too."""
    from unmask.core.scan_record import SCHEMA_VERSION, ScanDocument
    from unmask.report.document import to_json
    from unmask.report.html import article, to_html
    from unmask.report.views import report_view
    from unmask.system.files import write_text

    folder.mkdir(mode=0o700, exist_ok=True)
    _write_pictures(scan, folder / "pictures")
    for code in LANGUAGES:
        with in_language(code):
            write_text(folder / report_name(code), to_html(scan))
            write_text(folder / article_name(code), article(report_view(scan, film=film), level=1))
    write_text(folder / "result.json", to_json(ScanDocument(SCHEMA_VERSION, (scan.result,), ())))


def _write_pictures(scan: Scan, folder: Path) -> None:
    """Write each key frame's crop, its maps to lay over it, and the whole frames."""
    from unmask.report.pictures import jpeg_uri, overlay_uri

    folder.mkdir(mode=0o700, exist_ok=True)
    _write_stills(scan, folder)
    for each in scan.pictures:
        crop = folder / crop_name(each.track_id, each.frame_index)
        _write_uri(crop, jpeg_uri(each.crop))
        for saliency in each.maps:
            if saliency.empty is None:
                overlay = crop.with_name(f"{crop.stem}-{saliency.method}.png")
                _write_uri(overlay, overlay_uri(saliency.values))


def _write_stills(scan: Scan, folder: Path) -> None:
    for still in scan.stills:
        (folder / f"still-frame{still.frame_index}.jpg").write_bytes(still.jpeg)


def stored_view(folder: Path) -> ReportView:
    """Return what a page shows of a stored result, without pictures, in the language in force.

    Args:
        folder: where `scan_file` wrote it.
    """
    from unmask.core.scan import Scan
    from unmask.report.document import from_json
    from unmask.report.views import report_view

    document = from_json((folder / "result.json").read_bytes())
    return report_view(Scan(document.results[0], ()))


def report_name(code: str) -> str:
    """Return the name of a result's report in a language."""
    return f"report.{code}.html"


def article_name(code: str) -> str:
    """Return the name of a result's part of a page in a language."""
    return f"article.{code}.html"


def crop_name(track_id: int, frame_index: int) -> str:
    """Return the name of a key frame's picture."""
    return f"face{track_id}-frame{frame_index}.jpg"


def _write_uri(path: Path, uri: str) -> None:
    path.write_bytes(base64.b64decode(uri.partition(",")[2]))


def result_schema() -> dict[str, object]:
    """Return the JSON schema of `result.json`."""
    from unmask.report.document import schema

    return schema()


def report_asset(name: str) -> str:
    """Return `report.css` or `report.js`, which belong to `report_article`."""
    from unmask.report.html import asset

    return asset(name)


def templates(package: str) -> jinja2.Environment:
    """Return a package's templates, with the filters and texts that those of the report have."""
    from unmask.report.html import environment
    from unmask.report.page import environment as bare

    result, report = bare(package), environment()
    result.filters.update(report.filters)
    result.globals.update(report.globals)
    return result
