"""`unmask keyframes`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.options import DEFAULTS, Budget, FaceDetector, SampleFps, Seed, Selector, Smoothing
from unmask.core.settings import ScanSettings


def keyframes(  # noqa: PLR0917 - the parameters are the options
    video: Annotated[str, typer.Argument(help="A video.", show_default=False)],
    sheet: Annotated[Path | None, typer.Option(help="Write a picture of the choice.")] = None,
    selector: Selector = DEFAULTS.selector,
    budget: Budget = DEFAULTS.budget,
    sample_fps: SampleFps = DEFAULTS.sample_fps,
    smoothing_frames: Smoothing = DEFAULTS.smoothing_frames,
    face_detector: FaceDetector = DEFAULTS.face_detector,
    seed: Seed = DEFAULTS.seed,
) -> None:
    """List the key frames of each face, and draw the choice.

    The list is tab-separated.
    """
    from unmask.cli.runs.keyframes import run_keyframes

    settings = ScanSettings(
        face_detector=face_detector,
        selector=selector,
        budget=budget,
        sample_fps=sample_fps,
        smoothing_frames=smoothing_frames,
        seed=seed,
    )
    raise typer.Exit(run_keyframes(video, sheet, settings))
