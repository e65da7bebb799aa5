"""`unmask train`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.optional_packages import check_installed
from unmask.cli.options import Address, EngineOption, WorkerCpus
from unmask.cli.runs.train import (
    Devices,
    RunProgress,
    RunRequest,
    begin_run,
    is_first_process,
    preview_forgeries,
    resume_run,
    summary,
)
from unmask.system.engines import Engine

TRAIN_CODES = "Exit codes: 0 trained to the end; 2 wrong use or bad input; 130 stopped."


def train(  # noqa: PLR0917 - the parameters are the options
    recipe: Annotated[
        str | None,
        typer.Argument(help="Name of a recipe, such as paper-xception, or a YAML file."),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Crop stores or Parquet files of crops to learn from."),
    ] = None,
    validation: Annotated[
        list[Path] | None,
        typer.Option(
            help="The same to choose the best epoch by.",
            show_default="what the stores mark, else a share carved by footage",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field of the recipe: epochs=5, network.size_px=96."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder of the run.", show_default="runs/NAME-TIME"),
    ] = None,
    fold: Annotated[
        int | None,
        typer.Option(min=0, help="Hold this fold of the stores out.", show_default=False),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the run in this folder.", show_default=False)
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            help="Train nothing: write a picture of made forgeries (real, mask, fake).",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    devices: Annotated[
        int, typer.Option(min=1, help="Devices of this machine that share each step.")
    ] = 1,
    engine: EngineOption = "local",
    num_workers: Annotated[
        int,
        typer.Option(min=1, help="With --engine ray: workers that share each step."),
    ] = 1,
    address: Address = None,
    worker_cpus: WorkerCpus = 1.0,
    logger: Annotated[
        str | None,
        typer.Option(
            help="Tell wandb or mlflow of every epoch, too; into the run's folder unless "
            "WANDB_MODE=online or MLFLOW_TRACKING_URI name a server.",
            show_default="none; TensorBoard's files are always written",
        ),
    ] = None,
) -> None:
    """Train a detector by a recipe, or go on with a stopped run."""
    if (resume is None) == (recipe is None):
        raise ValueError("give a recipe, or --resume FOLDER, and not both")
    if resume is not None and (data or validation or changes or output or fold is not None):
        raise ValueError(
            "--resume goes on with the run's own recipe, crops and fold; give no others"
        )
    if resume is None and not data:
        raise ValueError("no crops to learn from: give --data PATH")
    if resume is not None and preview is not None:
        raise ValueError("--preview shows what a new run would make: give a recipe, not --resume")
    workers = Engine(engine, num_workers, address, worker_cpus)  # type: ignore[arg-type]  # checked
    shared = Devices(device, devices, workers)
    check_installed()
    if preview is not None:
        typer.echo(preview_forgeries(str(recipe), changes or [], data or [], preview))
        return
    with RunProgress() as shown:
        shown.devices = devices
        if resume is not None:
            run = resume_run(resume, shared, shown, logger)
        else:
            request = RunRequest(
                str(recipe), data or [], validation or [], changes or [], output, fold
            )
            run = begin_run(request, shared, shown, logger)
    if is_first_process():
        typer.echo(summary(run))
