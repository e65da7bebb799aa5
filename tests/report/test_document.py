"""The JSON document: nothing is lost, nothing is invented, and its schema describes it."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from unmask.core.errors import InputError
from unmask.core.scan import Scan
from unmask.core.scan_record import SCHEMA_VERSION, ScanDocument, ScanRecord
from unmask.report.document import from_json, schema, to_json

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")


def one(result: ScanRecord) -> ScanDocument:
    return ScanDocument(SCHEMA_VERSION, (result,), ())


def test_round_trip_gives_the_equal_result(scan: Scan) -> None:
    assert from_json(to_json(one(scan.result))) == one(scan.result)


def test_settings_keep_their_types(scan: Scan) -> None:
    settings = from_json(to_json(one(scan.result))).results[0].settings
    kinds = {k: type(v) for k, v in settings.items()}
    assert kinds == {k: type(v) for k, v in scan.result.settings.items()}


def test_document_follows_its_schema(scan: Scan) -> None:
    result = schema()
    jsonschema.Draft202012Validator.check_schema(result)
    jsonschema.Draft202012Validator(result).validate(json.loads(to_json(one(scan.result))))


def test_schema_refuses_a_document_without_a_verdict(scan: Scan) -> None:
    document = json.loads(to_json(one(scan.result)))
    del document["results"][0]["verdict"]
    with pytest.raises(jsonschema.ValidationError, match="'verdict' is a required property"):
        jsonschema.Draft202012Validator(schema()).validate(document)


def test_schema_describes_every_field() -> None:
    result = schema()
    for part in (result, *result["$defs"].values()):
        for name, field in part["properties"].items():
            assert field.get("description"), name


def test_not_measured_is_null(scan: Scan) -> None:
    document = json.loads(to_json(one(scan.result)))
    assert document["results"][0]["tracks"][2]["verdict"]["probability"] is None
    assert document["results"][0]["tracks"][0]["curve"]["difference"][0] is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_refused(scan: Scan, value: float) -> None:
    coverage = dataclasses.replace(scan.result.coverage, seconds_analysed=value)
    with pytest.raises(ValueError, match=r"document\.results\[0\]\.coverage\.seconds_analysed is"):
        to_json(one(dataclasses.replace(scan.result, coverage=coverage)))


def test_hostile_text_survives_except_for_bytes_that_are_not_text(hostile: Scan) -> None:
    back = from_json(to_json(one(hostile.result))).results[0].video
    assert back.path == hostile.result.video.path
    assert back.metadata["na\x00me\u200b"] == "a\x1b[31m\\udcffb"


def test_another_schema_version_is_refused(scan: Scan) -> None:
    text = to_json(dataclasses.replace(one(scan.result), schema_version="99"))
    with pytest.raises(InputError, match="schema version '99' got, '1' is understood"):
        from_json(text)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema_version": 1}'])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a scan result"):
        from_json(text)


def test_a_verdict_that_contradicts_itself_is_refused(scan: Scan) -> None:
    document = json.loads(to_json(one(scan.result)))
    document["results"][0]["verdict"]["probability"] = None
    with pytest.raises(InputError, match="does not go with probability"):
        from_json(json.dumps(document))
