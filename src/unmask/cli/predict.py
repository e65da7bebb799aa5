"""`unmask predict`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.evaluation_options import Output
from unmask.cli.options import (
    Address,
    Device,
    EngineOption,
    OnDevice,
    ShardOption,
    WorkerCpus,
)


def predict(  # noqa: PLR0917 - the parameters are the options
    detector: Annotated[
        str, typer.Argument(help="A folder, or a name of `detectors list`.", show_default=False)
    ],
    data: Annotated[
        list[Path],
        typer.Argument(
            help="Crop stores, manifests of videos, or Parquet files with the columns name, label "
            "and image.",
            show_default=False,
        ),
    ],
    output: Output,
    split: Annotated[
        str | None, typer.Option(help="Only train, validation or test.", show_default="all")
    ] = None,
    fold: Annotated[
        int | None, typer.Option(min=0, help="Only this fold.", show_default="all")
    ] = None,
    shard: ShardOption = None,
    root: Annotated[
        Path | None, typer.Option(help="The data set's folder, where it moved.", show_default=False)
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the network, for crops.")] = 2,
    device: OnDevice = Device.AUTO,
    workers: Annotated[int, typer.Option(min=1, help="Videos at a time.")] = 1,
    engine: EngineOption = "local",
    address: Address = None,
    worker_cpus: WorkerCpus = 1.0,
) -> None:
    """Score crops or videos into a predictions file.

    A run that was stopped goes on when it is started again. Videos without a face and those that
    failed are rows too.
    """
    from unmask.cli.runs.predict import run_predict
    from unmask.system.engines import Engine

    raise typer.Exit(
        run_predict(
            detector,
            data,
            output,
            split=split,
            fold=fold,
            shard=shard,
            root=root,
            threads=threads,
            device=device.value,
            engine=Engine(engine, workers, address, worker_cpus),  # type: ignore[arg-type]  # checked
        )
    )
