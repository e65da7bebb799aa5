"""The Python door: what `import unmask` offers, and that it gives what the command line gives."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import pytest

import unmask
from unmask.report.document import from_json

EXAMPLES = Path(__file__).parent.parent / "examples"
PUBLIC = [
    "AnalysisCrashed",
    "BundleError",
    "DecodeError",
    "Detector",
    "DownloadError",
    "Failure",
    "InputError",
    "InputNotFound",
    "LimitExceeded",
    "Limits",
    "ManifestError",
    "NoUserFolder",
    "NotMedia",
    "RecipeError",
    "ScanResult",
    "ScanSettings",
    "Scanner",
    "TrainingStopped",
    "UnmaskError",
    "__version__",
    "scan",
    "write_report",
]


@pytest.fixture(scope="module")
def original() -> unmask.ScanResult:
    return unmask.scan(EXAMPLES / "original.mp4")


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_public_names_are_these_and_no_others() -> None:
    assert unmask.__all__ == PUBLIC
    assert dir(unmask) == sorted(PUBLIC)
    assert all(getattr(unmask, name) is not None for name in PUBLIC)


def test_every_error_of_the_tree_is_public() -> None:
    from unmask.core import errors

    tree = {n for n, each in vars(errors).items() if isinstance(each, type)}
    assert tree <= set(PUBLIC)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'scann'"):
        unmask.scann  # noqa: B018


def test_importing_loads_nothing_of_weight() -> None:
    code = (
        "import sys, unmask; print([m for m in ('numpy', 'av', 'onnxruntime') if m in sys.modules])"
    )
    assert run_python(code) == "[]"


def test_scanning_does_not_turn_the_function_into_a_module() -> None:
    code = (
        "import unmask, unmask.api, unmask.scanner.scanner, unmask.cli; "
        "print(callable(unmask.scan))"
    )
    assert run_python(code) == "True"


def test_python_m_unmask_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unmask", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"unmask {unmask.__version__}\n"


def test_a_result_says_its_verdict_in_words(original: unmask.ScanResult) -> None:
    assert original.verdict.word in repr(original)
    assert "1 face" in repr(original)
    assert len(original.faces[0].key_frames) >= 3


def test_its_json_is_the_document_of_the_command_line(original: unmask.ScanResult) -> None:
    assert from_json(original.to_json()).results == (original.record,)
    assert json.loads(original.to_json())["results"][0] == json.loads(
        json.dumps(original.to_dict())
    )


def test_its_table_has_a_row_for_each_key_frame(original: unmask.ScanResult) -> None:
    pytest.importorskip("pandas")
    table = original.to_frame()
    assert list(table["frame_index"]) == [k.frame_index for k in original.faces[0].key_frames]
    assert list(table["logit"]) == [k.logit for k in original.faces[0].key_frames]


def test_a_notebook_shows_the_report(original: unmask.ScanResult) -> None:
    card = original._repr_html_()
    assert card.startswith("<iframe srcdoc=")
    assert "&lt;html" in card
    assert 'sandbox="allow-scripts"' in card


def test_a_list_keeps_its_order_and_its_failures(tmp_path: Path) -> None:
    results = unmask.scan([tmp_path / "absent.mp4", EXAMPLES / "original.mp4"])
    assert isinstance(results[0], unmask.Failure)
    assert isinstance(results[1], unmask.ScanResult)
    page = unmask.write_report(results, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "absent.mp4" in page
    assert "original.mp4" in page


def test_frames_in_memory_score_as_the_same_frames_in_a_file(
    tmp_path: Path, original: unmask.ScanResult
) -> None:
    with av.open(str(EXAMPLES / "original.mp4")) as container:
        stream = container.streams.video[0]
        fps = float(stream.average_rate or 0)
        frames = np.stack([f.to_ndarray(format="rgb24") for f in container.decode(stream)]).astype(
            np.uint8
        )
    result = unmask.scan(frames, fps=fps)
    assert result.video.path == "<frames in memory>"
    assert result.coverage.frames_decoded == len(frames)
    assert result.verdict.logit == pytest.approx(original.verdict.logit, abs=0.25)


@pytest.mark.parametrize(
    ("frames", "fps", "message"),
    [
        (np.zeros((3, 8, 8), dtype=np.uint8), 25.0, "must be"),
        (np.zeros((2, 8, 8, 3), dtype=np.float32), 25.0, "must be"),
        (np.zeros((2, 8, 8, 3), dtype=np.uint8), None, "fps is needed"),
    ],
)
def test_frames_of_another_kind_are_refused(
    frames: np.ndarray, fps: float | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        unmask.scan(frames, fps=fps)


def test_a_loaded_detector_is_the_one_that_scans(original: unmask.ScanResult) -> None:
    detector = unmask.Detector.from_pretrained("default")
    again = unmask.scan(EXAMPLES / "original.mp4", detector=detector)
    assert asdict(again.verdict) == asdict(original.verdict)
