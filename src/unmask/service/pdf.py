"""The report of a scan as PDF/A-3, with its JSON attached, for files and courts that keep paper.

It has a page of its own, simpler than the report's: WeasyPrint draws it in a second. What is drawn
comes from the result as it is stored; nothing is loaded from elsewhere.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from unmask.report.language.translation import in_language
from unmask.service import scans
from unmask.service.page_templates import draw
from unmask.service.problems import Problem
from unmask.service.scan_row import ScanRow
from unmask.system.pillow import refuse_half_pictures

_FACES = 10
"""Most faces that are shown in detail, the most suspicious first."""


def available() -> bool:
    """Tell whether the extra for it is installed."""
    return find_spec("weasyprint") is not None


def draw_pdf(
    row: ScanRow, folder: Path, history: Sequence[tuple[float, str]], language: str
) -> bytes:
    """Draw the report.

    Args:
        row: the scan.
        folder: its result.
        history: its custody log.
        language: code of the language.

    Raises:
        Problem: 404 where the extra or a library of the system that it needs is not installed.
    """
    try:
        with refuse_half_pictures():  # afterwards Pillow's switch is what it was before
            from weasyprint import HTML, Attachment
            from weasyprint.urls import URLFetcher
    except (ImportError, OSError) as error:  # OSError: Pango is missing
        text = "This service makes no PDF. Take the HTML report and print it into one."
        raise Problem(404, "no-pdf", text) from error
    with in_language(language):
        page = draw(
            "pdf.html.j2",
            row=row,
            report=scans.stored_view(folder),
            pictures=_pictures(folder / "pictures"),
            most=_FACES,
            history=[
                (f"{datetime.fromtimestamp(at, UTC):%F %T} UTC", what) for at, what in history
            ],
        )
    result = (folder / "result.json").read_text(encoding="utf-8")
    attached = Attachment(string=result, name="result.json", relationship="Data")
    document = HTML(string=page, url_fetcher=URLFetcher(allowed_protocols=["data"]))
    drawn: bytes = document.write_pdf(pdf_variant="pdf/a-3u", attachments=[attached])
    return drawn


def _pictures(folder: Path) -> dict[str, str]:
    """Return the stored pictures as data addresses, by their names without suffix."""
    return {
        path.stem: f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
        for path in folder.glob("*.jpg")
    }
