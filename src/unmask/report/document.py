"""The scan result as JSON: written, read back and described by a JSON schema.

Other programs and later runs rely on this document, so it is versioned, validated on the way in
and the same for the same result. It holds no pictures; `html` shows those. Not measured is
`null`, and NaN or infinity is refused: JSON has no word for either.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from unmask.core.errors import InputError
from unmask.core.scan_record import SCHEMA_VERSION, ScanDocument, ScanRecord

_ADAPTER: TypeAdapter[ScanDocument] = TypeAdapter(ScanDocument)


def to_json(document: ScanDocument) -> str:
    """Write scan results as indented JSON.

    Bytes of a file name that are not UTF-8 (lone surrogates in Python) are written as a visible
    backslash escape, since JSON text cannot carry them.

    Args:
        document: results and failures of one run.

    Returns:
        JSON text, ASCII only, ending in a line break.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    plain = _plain(dataclasses.asdict(document), "document")
    return json.dumps(plain, indent=2, allow_nan=False) + "\n"


def to_line(document: ScanDocument) -> str:
    """Write the same on one line, as a file of lines (NDJSON) needs it.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    plain = _plain(dataclasses.asdict(document), "document")
    return json.dumps(plain, separators=(",", ":"), allow_nan=False) + "\n"


def require_writable(result: ScanRecord) -> None:
    """Make sure that a result can be written, so that it cannot take others with it.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    _plain(dataclasses.asdict(result), "result")


def from_json(text: str | bytes) -> ScanDocument:
    """Read the document that `to_json` wrote.

    Args:
        text: the JSON document.

    Returns:
        The document, equal to the one that was written.

    Raises:
        InputError: the text is no scan result, or one of another schema version.
    """
    try:
        document = _ADAPTER.validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InputError(
            f"not a scan result: {place}: {first['msg']} ({error.error_count()} problems)",
            hint="give the JSON file that a scan wrote, unchanged",
        ) from error
    if document.schema_version != SCHEMA_VERSION:
        raise InputError(
            f"schema version {document.schema_version!r} got, {SCHEMA_VERSION!r} is understood",
            hint="read it with the version of the program that wrote it, or scan again",
        )
    return document


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of the document.

    The descriptions are the docstrings under the fields in `unmask.core`, so that the text
    exists once.
    """
    # in a list, as a dataclass alone takes no configuration; not in `_ADAPTER`, as reading the
    # source of all classes takes fifteen times as long as making it
    adapter = TypeAdapter(list[ScanDocument], config=ConfigDict(use_attribute_docstrings=True))
    parts = adapter.json_schema(mode="validation")["$defs"]
    for part in parts.values():
        for entry in part.get("properties", {}).values():
            if "description" in entry:
                entry["description"] = entry["description"].replace("\n", " ")
    document = parts.pop("ScanDocument")
    document["properties"]["schema_version"]["const"] = SCHEMA_VERSION
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": parts, **document}


def _plain(value: object, place: str) -> object:
    """Copy a value into what JSON can hold; `place` names it in an error."""
    if isinstance(value, dict):
        return {str(_plain(k, place)): _plain(v, f"{place}.{k}") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{place} is {value}; finite numbers are allowed, None if unmeasured")
        return float(value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value
