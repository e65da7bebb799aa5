"""One file's verdict under distortions: told, drawn, written, and never made up."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unmask.bundle.manifest import Bundle, load_bundle, shipped_folder
from unmask.bundle.runtime import Network
from unmask.cli.runs.scan_summary import summary
from unmask.core.scan import Scan
from unmask.core.scan_record import SCHEMA_VERSION, ScanDocument
from unmask.core.settings import ScanSettings
from unmask.report.document import from_json, to_json
from unmask.report.html import to_html
from unmask.report.wording import survival
from unmask.scanner.distortions import distort
from unmask.scanner.scanner import Scanner
from unmask.scanner.survival import stress_verdict
from unmask.scanner.verdict import cannot_judge

FORGED = Path(__file__).parent.parent.parent / "examples" / "forged.mp4"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(shipped_folder())


@pytest.fixture(scope="module")
def network(bundle: Bundle) -> Network:
    return Network(bundle, threads=1)


@pytest.fixture(scope="module")
def scan(bundle: Bundle, network: Network) -> Scan:
    plain = Scanner(settings=ScanSettings(explain=()), threads=1).scan(FORGED)
    return stress_verdict(plain, bundle, network, still=False, only=("JPEG", "blur", "crop shift"))


def test_a_stressed_logit_is_the_mean_over_distorted_crops(scan: Scan, network: Network) -> None:
    assert scan.result.stress is not None
    text = {(each.distortion, each.level): each.verdict for each in scan.result.stress}
    assert len(text) == 4 + 3 + 3
    faces = [[distort(crop, "JPEG", 70) for crop in p.crops] for p in scan.pictures]
    crops = tuple(np.stack(view) for view in zip(*faces, strict=True))
    expected = network.run(crops).logits.astype(float).mean()
    assert text["JPEG", "70 quality"].logit == pytest.approx(expected, rel=1e-5)


def test_a_face_that_becomes_too_blurred_cannot_be_judged(
    scan: Scan, bundle: Bundle, network: Network
) -> None:
    sharp = [key.sharpness for track in scan.result.tracks for key in track.key_frames]
    limits = bundle.manifest.judgeable.model_copy(update={"min_sharpness": 0.9 * min(sharp)})
    stricter = bundle.manifest.model_copy(update={"judgeable": limits})
    strict = bundle.model_copy(update={"manifest": stricter})
    result = stress_verdict(scan, strict, network, still=False, only=("blur",)).result
    strong = next(each for each in result.stress if each.level == "2 % of height")
    assert strong.verdict.word == "cannot judge"
    assert "face too blurred" in (strong.verdict.reason or "")
    assert "blur, 2 % of height: cannot judge (probability not measured)" in survival(result)


def test_what_changes_is_told_in_text_report_and_json(scan: Scan) -> None:
    assert scan.result.stress is not None
    kept = sum(each.verdict.word == scan.result.verdict.word for each in scan.result.stress)
    assert f"  under stress: the verdict stays under {kept} of 10 distortions" in summary(
        scan.result
    )
    assert f"Under stress: the verdict stays under {kept} of 10 distortions" in to_html(scan)
    document = ScanDocument(SCHEMA_VERSION, (scan.result,), ())
    assert from_json(to_json(document)) == document
    assert shlex.split(scan.result.command)[-3:-1] == ["--stress", "--"]


def test_a_scan_that_was_not_stressed_says_nothing_of_it(scan: Scan) -> None:
    plain = replace(scan, result=replace(scan.result, stress=None))
    assert survival(plain.result) == ()
    assert "under stress" not in summary(plain.result) + to_html(plain)


def test_without_a_face_there_is_nothing_to_distort(
    scan: Scan, bundle: Bundle, network: Network
) -> None:
    result = replace(scan.result, tracks=(), verdict=cannot_judge("no face was found"))
    results = stress_verdict(Scan(result, ()), bundle, network, still=False)
    assert results.result.stress == ()
    assert survival(results.result) == ()
