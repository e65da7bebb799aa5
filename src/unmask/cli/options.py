"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from unmask.core.settings import ScanSettings
from unmask.report.language.translation import LANGUAGES

DEFAULTS = ScanSettings()


def parse_methods(text: str) -> tuple[str, ...]:
    """Return the methods of explaining that an option names; `none` stands for none."""
    named = tuple(part.strip() for part in text.split(",") if part.strip())
    return () if named == ("none",) else named


Inputs = Annotated[
    list[str],
    typer.Argument(
        help="Videos, pictures, folders, globs, a list.txt with a path per line (lines that start "
        "with # are comments), or - for such a list on standard input.",
        show_default=False,
    ),
]
Detector = Annotated[
    str | None,
    typer.Option(
        help="A folder, a name of `detectors list`, or owner/name on the Hub.",
        show_default="the shipped one",
    ),
]
FaceDetector = Annotated[str, typer.Option(help="Face detector: yunet or mtcnn.")]
Selector = Annotated[
    str,
    typer.Option(
        help="Key-frame selector: local-maxima, uniform, all, top-difference, threshold, "
        "shot-aware, codec-keyframes or random."
    ),
]
Budget = Annotated[int, typer.Option(help="Most key frames of a face.")]
SampleFps = Annotated[float, typer.Option(help="Most frames per second that are looked at.")]
Smoothing = Annotated[int, typer.Option(help="Hann window over the difference signal, frames.")]
DetectEvery = Annotated[float, typer.Option(help="Most seconds between two face detections.")]
DetectClosely = Annotated[
    float, typer.Option(help="The same while faces meet, move fast, come or go.")
]
DetectSide = Annotated[
    int,
    typer.Option(
        help="Least longer side of the reduced frames that faces are searched in; no frame is "
        "reduced more than 2.5 times."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of whatever is random.")]
Language = Annotated[
    str | None,
    typer.Option(
        help=f"Language of verdicts and report: {', '.join(LANGUAGES)}; JSON stays English.",
        show_default="LC_ALL, LC_MESSAGES or LANG, else en",
    ),
]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the networks.")]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        help="local: processes of this machine; ray: workers of a Ray cluster, which needs this "
        "program and the files under the same paths on each of its machines.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="With --engine ray: a cluster that runs already, such as auto.",
        show_default="one of this machine alone",
    ),
]
WorkerCpus = Annotated[
    float,
    typer.Option(help="With --engine ray: cores that a worker counts for, such as 0.5."),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        help="NUMBER/COUNT: only this part of the videos, such as 2/8, for several machines.",
        show_default="all",
    ),
]


class Device(StrEnum):
    """What networks run on, see `bundle.devices`."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


OnDevice = Annotated[
    Device,
    typer.Option(
        "--device", help="What networks run on: `auto` takes a GPU where ONNX Runtime has one."
    ),
]
