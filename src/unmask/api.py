"""The Python door: scan a file, many files or frames in memory, and write what was seen.

    >>> from unmask import scan, write_report
    >>> result = scan("examples/original.mp4")
    >>> result.verdict.word, len(result.faces)
    ('little evidence', 1)

It stands on the same rooms as the command line and adds nothing to their results.
"""

from __future__ import annotations

import dataclasses
import hashlib
import html
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.detector import Detector
from unmask.core.errors import UnmaskError
from unmask.core.media import VideoInfo
from unmask.core.scan import BoxPath, KeyFramePicture, Scan, Still
from unmask.core.scan_record import (
    SCHEMA_VERSION,
    Coverage,
    Examination,
    Failure,
    ScanDocument,
    ScanRecord,
    TrackResult,
)
from unmask.core.settings import ScanSettings
from unmask.core.verdicts import Verdict
from unmask.report.language.translation import in_language, language_of_environment
from unmask.scanner.scanner import Scanner
from unmask.system.files import write_text

if TYPE_CHECKING:
    import pandas as pd

    from unmask.report.html import Place

_CARD_HEIGHT_PX = 620
"""Height of the report's frame in a notebook."""
_IN_MEMORY = "<frames in memory>"
"""What stands in a result for the path of frames that were given as an array."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ScanResult:
    """What a scan saw in one file: the verdict, the faces, what was not analysed, the pictures.

    `record` holds all of it but the pictures and is what the JSON is made from.
    """

    record: ScanRecord
    """Everything known, as frozen values."""
    pictures: tuple[KeyFramePicture, ...]
    """The crop and the saliency maps of each key frame that was scored."""
    faithfulness: tuple[tuple[str, str], ...] = ()
    """Methods of explaining, with what was measured of their maps for this detector."""
    stills: tuple[Still, ...] = ()
    """The whole key frames, reduced."""
    paths: tuple[BoxPath, ...] = ()
    """Where each face is over time."""

    @property
    def verdict(self) -> Verdict:
        """The judgement of the whole file."""
        return self.record.verdict

    @property
    def faces(self) -> tuple[TrackResult, ...]:
        """The face tracks in order of appearance, each with its verdict and its key frames."""
        return self.record.tracks

    @property
    def coverage(self) -> Coverage:
        """What was analysed and what was not."""
        return self.record.coverage

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know before relying on this."""
        return self.record.warnings

    @property
    def video(self) -> VideoInfo:
        """The file: hash, container, codec, size."""
        return self.record.video

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, numbers and text: one entry of the JSON's `results`."""
        return dataclasses.asdict(self.record)

    def to_json(self) -> str:
        """Return the JSON document that `unmask scan --json` writes for this file alone.

        Raises:
            ValueError: a number is NaN or infinite.
        """
        from unmask.report.document import to_json

        return to_json(ScanDocument(SCHEMA_VERSION, (self.record,), ()))

    def to_frame(self) -> pd.DataFrame:
        """Return a table with a row for each key frame: face, time, box, scores.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas as pd

        rows = [
            {"path": self.video.path, "face": face.id, **dataclasses.asdict(key_frame)}
            for face in self.faces
            for key_frame in face.key_frames
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        """Say it in words."""
        verdict, count = self.verdict, len(self.faces)
        faces = f"{count} face{'' if count == 1 else 's'}"
        if verdict.probability is None:
            return f"ScanResult({self.video.path!r}: cannot judge, {verdict.reason}; {faces})"
        sure = f"probability {verdict.probability:.2f}"
        if verdict.interval is not None:
            sure += " ({:.2f} to {:.2f})".format(*verdict.interval)
        whole = "" if self.coverage.complete else "; not all was analysed"
        return f"ScanResult({self.video.path!r}: {verdict.word}, {sure}; {faces}{whole})"

    def _repr_html_(self) -> str:
        """Return the report in a frame of its own, for notebooks."""
        page = html.escape(_report_page([self]), quote=True)
        return (
            f'<iframe srcdoc="{page}" title="unmask report" sandbox="allow-scripts" '
            f'style="width:100%;height:{_CARD_HEIGHT_PX}px;border:1px solid #ccc"></iframe>'
        )

    def _as_scan(self) -> Scan:
        return Scan(self.record, self.pictures, self.faithfulness, self.stills, self.paths)


@overload
def scan(  # type: ignore[overload-overlap]  # a str is a sequence of str too: the first one holds
    source: str | Path | NDArray[np.uint8],
    *,
    detector: str | Path | Detector = ...,
    settings: ScanSettings | None = ...,
    fps: float | None = ...,
    threads: int = ...,
) -> ScanResult: ...
@overload
def scan(
    source: Sequence[str | Path],
    *,
    detector: str | Path | Detector = ...,
    settings: ScanSettings | None = ...,
    fps: None = ...,
    threads: int = ...,
) -> list[ScanResult | Failure]: ...
def scan(
    source: str | Path | NDArray[np.uint8] | Sequence[str | Path],
    *,
    detector: str | Path | Detector = "default",
    settings: ScanSettings | None = None,
    fps: float | None = None,
    threads: int = 2,
) -> ScanResult | list[ScanResult | Failure]:
    """Scan a video, a picture, many files, or frames in memory.

    A file is read in this process. Use `unmask scan` or `unmask.scanner.batch.scan_all` for
    files that you do not trust: these read each in a process of its own.

    Args:
        source: a path; a list of paths; or frames `(N, H, W, 3)` RGB uint8, `(H, W, 3)` for one
            picture.
        detector: a name of `unmask detectors list`, a bundle's folder, `owner/name` on the Hub, or
            a loaded `Detector`.
        settings: how a video is looked at.
        fps: frames per second of frames in memory; needed for more than one.
        threads: threads of the detector's network.

    Returns:
        The result. For a list of paths a list of the same length: a file that could not be scanned
        is a `Failure` in its place and stops none of the others.

    Raises:
        InputError: the file cannot be used.
        DecodeError: nothing in it could be decoded.
        BundleError: the detector is damaged.
        ValueError: the frames have another shape or type, or `fps` is missing.
    """
    scanner = Scanner(detector, settings=settings, threads=threads)
    if isinstance(source, np.ndarray):
        return _scan_frames(scanner, source, fps)
    if fps is not None:
        raise ValueError(f"fps is for frames in memory; a file has its own, got {fps=}")
    if isinstance(source, str | Path):
        return _result(scanner.scan(source))
    return [_scan_or_failure(scanner, path) for path in source]


def write_report(
    results: Sequence[ScanResult | Failure] | ScanResult,
    path: str | Path,
    *,
    language: str | None = None,
    embed_bytes: int | None = None,
    examination: Examination | None = None,
) -> Path:
    """Write an HTML report over results, and return its path.

    Of more than ten results each has a page of its own, in a folder beside the report.

    Args:
        results: as `scan` returns them.
        path: the file; it is written whole or not at all.
        language: `en`, `de`, `fr` or `es`; None: what the environment asks for.
        embed_bytes: size up to which films are written into the page; None to link to them.
        examination: case, analyst and note.

    Raises:
        OSError: it could not be written.
        ValueError: there is no such language.
    """
    from unmask.report.html import Place

    listed = [results] if isinstance(results, ScanResult) else list(results)
    target = Path(path)
    place = Place(target, len(listed), embed_bytes)
    with in_language(language or language_of_environment()):
        write_text(target, _report_page(listed, place, examination))
    return target


def _report_page(
    results: Sequence[ScanResult | Failure],
    place: Place | None = None,
    examination: Examination | None = None,
) -> str:
    from unmask.report.html import to_html_batch

    scans = [each._as_scan() for each in results if isinstance(each, ScanResult)]  # noqa: SLF001
    failures = [(each.path, each.error) for each in results if isinstance(each, Failure)]
    return to_html_batch(scans, failures, place=place, examination=examination)


def _result(scan: Scan) -> ScanResult:
    return ScanResult(scan.result, scan.pictures, scan.faithfulness, scan.stills, scan.paths)


def _scan_or_failure(scanner: Scanner, path: str | Path) -> ScanResult | Failure:
    try:
        return _result(scanner.scan(path))
    except UnmaskError as error:
        return Failure(str(path), error.message, error.hint, error.kind)


def _scan_frames(scanner: Scanner, frames: NDArray[np.uint8], fps: float | None) -> ScanResult:
    """Scan frames by way of a lossless file that is removed afterwards."""
    stack = frames[None] if frames.ndim == 3 else frames
    if stack.ndim != 4 or stack.shape[3] != 3 or stack.dtype != np.uint8 or not len(stack):
        raise ValueError(f"frames must be (N, H, W, 3) uint8, got {frames.shape} {frames.dtype}")
    if len(stack) > 1 and fps is None:
        raise ValueError(f"fps is needed for {len(stack)} frames")
    with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
        path = Path(folder) / "frames.mkv"
        _write_lossless(path, stack, 1.0 if fps is None else fps)
        scan = scanner.scan(path)
    video = dataclasses.replace(
        scan.result.video, path=_IN_MEMORY, sha256=hashlib.sha256(stack.tobytes()).hexdigest()
    )
    call = "unmask.scan(frames)" if fps is None else f"unmask.scan(frames, fps={fps:g})"
    record = dataclasses.replace(
        scan.result, video=video, command=call, custody=None, credentials=None
    )
    return dataclasses.replace(_result(scan), record=record)


def _write_lossless(path: Path, frames: NDArray[np.uint8], fps: float) -> None:
    """Write frames as FFV1 in RGB: what is decoded from it equals them."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(fps).limit_denominator(1001 * 60))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0"
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
