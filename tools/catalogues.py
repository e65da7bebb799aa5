"""Extract the texts of results, reports and pages, and keep their translations: .po, .mo to read.

Without options, new texts are added to the .po files and the .mo files are made; `--check` says
what is missing, and whether the .mo files are current.
"""

from __future__ import annotations

import argparse
import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

SOURCE = Path(__file__).resolve().parents[1] / "src" / "unmask"
FOLDER = SOURCE / "report" / "language" / "locale"
METHODS = [
    ("report/templates/maps.html.j2", "ignore"),
    ("report/templates/**.j2", "jinja2"),
    ("report/**.py", "python"),
    ("service/templates/docs.html.j2", "ignore"),
    ("service/templates/**.j2", "jinja2"),
    ("service/**.py", "python"),
    ("cli/runs/explain.py", "python"),
    ("cli/runs/scan_summary.py", "python"),
]
_ALWAYS = datetime(2026, 1, 1, tzinfo=UTC)
"""A date for headers, so that the same translations make the same file."""
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}


def texts() -> Catalog:
    """Return all texts that are to be translated."""
    catalog = Catalog(fuzzy=False)
    for file, _line, message, _comments, context in extract_from_dir(
        str(SOURCE), method_map=METHODS, keywords=KEYWORDS
    ):
        catalog.add(message, context=context, locations=[(file, None)])
    return catalog


def catalogue(code: str) -> Catalog:
    """Return a language's translations as they stand."""
    path = FOLDER / f"{code}.po"
    if not path.exists():
        return Catalog(locale=code, fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=code)


def updated(code: str, template: Catalog) -> Catalog:
    """Return a language's translations for exactly these texts."""
    known = catalogue(code)
    catalog = Catalog(
        locale=code, project="unmask", fuzzy=False, header_comment=f"# unmask: {code}"
    )
    for message in template:
        if message.id:
            old = known.get(message.id)
            catalog.add(message.id, "" if old is None else old.string, locations=message.locations)
    return catalog


def po_bytes(catalog: Catalog) -> bytes:
    """Write a catalogue as text, the same for the same translations."""
    buffer = io.BytesIO()
    write_po(buffer, catalog, sort_output=True, omit_header=False, include_lineno=False, width=100)
    lines = buffer.getvalue().decode().splitlines(keepends=True)
    dates = ('"POT-Creation-Date', '"PO-Revision-Date', '"Generated-By')
    return "".join(line for line in lines if not line.startswith(dates)).encode()


def mo_bytes(catalog: Catalog) -> bytes:
    """Compile a catalogue."""
    buffer = io.BytesIO()
    plain = read_po(io.BytesIO(po_bytes(catalog)), locale=catalog.locale)
    plain.creation_date = plain.revision_date = _ALWAYS
    write_mo(buffer, plain)
    return buffer.getvalue()


def missing(catalog: Catalog) -> list[str]:
    """Return the texts without a translation."""
    return [
        str(m.id)
        for m in catalog
        if m.id and not (all(m.string) if isinstance(m.string, tuple) else m.string)
    ]


def main() -> int:
    """Update or check the catalogues."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    template, wrong = texts(), 0
    for code in ("de", "fr", "es"):
        result = updated(code, template)
        for path, data in (
            (FOLDER / f"{code}.po", po_bytes(result)),
            (FOLDER / f"{code}.mo", mo_bytes(result)),
        ):
            if not check:
                path.write_bytes(data)
            elif not path.exists() or path.read_bytes() != data:
                print(f"{path.name} is not current: run tools/catalogues.py")
                wrong = 1
        for text in missing(result):
            print(f"{code}: not translated: {text}")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
