"""`unmask data crops`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.options import Address, EngineOption, ShardOption, WorkerCpus
from unmask.core.settings import DEFAULT_MARGIN_RATIO, LARGEST_CROP_PX, ScanSettings

_DEFAULT = ScanSettings()

CROPS_CODES = (
    "Exit codes: 0 every video gave crops; 2 wrong use, or other settings than the store was begun "
    "with; 3 some videos failed or hold no face (see coverage.parquet)."
)

Store = Annotated[
    Path, typer.Argument(help="Folder that `unmask data crops` wrote.", show_default=False)
]


def crops(  # noqa: PLR0917 - the parameters are the options
    manifest: Annotated[Path, typer.Argument(help="Manifest of the data set.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Folder of the crops; new, or begun before."),
    ],
    root: Annotated[
        Path | None,
        typer.Option(help="Folder of the data set.", show_default="where it was indexed"),
    ] = None,
    selector: Annotated[
        str,
        typer.Option(
            help="Key-frame selector: local-maxima, uniform, all, top-difference, threshold, "
            "shot-aware, codec-keyframes or random."
        ),
    ] = _DEFAULT.selector,
    budget: Annotated[int, typer.Option(help="Most crops of a face.")] = _DEFAULT.budget,
    size_px: Annotated[
        int | None,
        typer.Option(
            help="Side of every crop.", show_default="the frame's own pixels, up to --largest-px"
        ),
    ] = None,
    largest_px: Annotated[
        int, typer.Option(help="Longest side of a crop without --size-px.")
    ] = LARGEST_CROP_PX,
    margin_ratio: Annotated[
        float,
        typer.Option(
            help="Side of the crop over the longer side of the face box: wide enough to shift and "
            "zoom in training. The shipped detector looks at 0.85."
        ),
    ] = DEFAULT_MARGIN_RATIO,
    image_format: Annotated[
        str,
        typer.Option(
            help="png, or jpeg (quality 95, 4:4:4): a third of the room, but detectors score it "
            "a little differently from a scan."
        ),
    ] = "png",
    face_detector: Annotated[
        str, typer.Option(help="Face detector: yunet or mtcnn.")
    ] = _DEFAULT.face_detector,
    sample_fps: Annotated[
        float, typer.Option(help="Most frames per second that are looked at.")
    ] = _DEFAULT.sample_fps,
    seed: Annotated[int, typer.Option(help="Seed of whatever is random.")] = _DEFAULT.seed,
    workers: Annotated[int, typer.Option(min=1, help="Processes at a time.")] = 1,
    engine: EngineOption = "local",
    address: Address = None,
    worker_cpus: WorkerCpus = 1.0,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Most videos in this run, evenly spread.", show_default="all"),
    ] = None,
    shard: ShardOption = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again the videos that failed before.")
    ] = False,
) -> None:
    """Cut faces of a data set's videos into Parquet files.

    Stop and go on at any moment.
    """
    from unmask.cli.runs.crops import run_crops
    from unmask.crops.extraction import CropSettings
    from unmask.system.engines import Engine

    settings = CropSettings(
        scan=ScanSettings(
            selector=selector,
            budget=budget,
            face_detector=face_detector,
            sample_fps=sample_fps,
            seed=seed,
        ),
        size_px=size_px,
        largest_px=largest_px,
        margin_ratio=margin_ratio,
        image_format=image_format,  # type: ignore[arg-type]  # checked by the settings
    )
    raise typer.Exit(
        run_crops(
            manifest,
            output,
            settings,
            root=root,
            engine=Engine(engine, workers, address, worker_cpus),  # type: ignore[arg-type]  # checked
            limit=limit,
            shard=shard,
            retry_failed=retry_failed,
        )
    )
