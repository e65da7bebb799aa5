"""`predict`, `scores`, `evaluate`, `compare`, `calibrate` and `card`: what they take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.settings import REPLICATES

Predictions = Annotated[Path, typer.Argument(help="A predictions file.", show_default=False)]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where to.", show_default=False)]
Level = Annotated[str, typer.Option(help="What is counted: crop, track or video.")]
Aggregation = Annotated[
    str,
    typer.Option(
        help="How crops become one score: mean, median, max-track, confident-mean or top-3."
    ),
]
Cluster = Annotated[str, typer.Option(help="What intervals draw: source-video, identity or video.")]
Seed = Annotated[int, typer.Option(help="Seed of whatever is random.")]
Replicates = Annotated[int, typer.Option(min=1, help="Draws of an interval.")]
Threshold = Annotated[
    str, typer.Option(help="Name of an operating point of the detector, or a logit.")
]
MinCoverage = Annotated[
    float, typer.Option(min=0, max=1, help="Least share of videos; with less the exit code is 3.")
]
EXIT_COVERAGE = "Exit codes: 0 done; 2 wrong use or bad input; 3 too little could be analysed."


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(epilog=EXIT_COVERAGE)(predict)
    app.command()(scores)
    app.command(epilog=EXIT_COVERAGE)(evaluate)
    app.command(epilog=EXIT_COVERAGE)(compare)
    app.command()(calibrate)
    app.command()(card)


def predict(  # noqa: PLR0917 - the parameters are the options
    detector: Annotated[
        str, typer.Argument(help="A folder, or a name of `detectors list`.", show_default=False)
    ],
    data: Annotated[
        Path,
        typer.Argument(
            help="A crop store, a manifest of videos, or a Parquet file with the columns name, "
            "label and image.",
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
    root: Annotated[
        Path | None, typer.Option(help="The data set's folder, where it moved.", show_default=False)
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the network, for crops.")] = 2,
    workers: Annotated[int, typer.Option(min=1, help="Videos at a time.")] = 1,
) -> None:
    """Score crops or videos into a predictions file.

    A run that was stopped goes on when it is started again. Videos without a face and those that
    failed are rows too.
    """
    from unmask.cli.evaluation_run import run_predict

    raise typer.Exit(
        run_predict(
            detector,
            data,
            output,
            split=split,
            fold=fold,
            root=root,
            threads=threads,
            workers=workers,
        )
    )


def scores(  # noqa: PLR0917 - the parameters are the options
    table: Annotated[
        Path, typer.Argument(help="A CSV file of another program's scores.", show_default=False)
    ],
    columns: Annotated[
        str,
        typer.Option(
            help="OURS=THEIRS,...: video_id, label, logit or probability, and method, target, "
            "identities, split, compression, track, frame_index, face_px, status, reason.",
            show_default=False,
        ),
    ],
    detector: Annotated[str, typer.Option(help="Name of the program.", show_default=False)],
    output: Output,
    data: Annotated[str, typer.Option(help="Name of the data.")] = "not named",
    licence: Annotated[str, typer.Option(help="Terms of the data.")] = "not known",
    protocol: Annotated[
        str | None, typer.Option(help="How splits were made.", show_default=False)
    ] = None,
    leaks: Annotated[
        str | None,
        typer.Option(help="Why the protocol leaks, if it does.", show_default=False),
    ] = None,
) -> None:
    """Turn another program's scores into a predictions file."""
    from unmask.cli.evaluation_run import run_scores

    told = {
        "detector": detector,
        "data": data,
        "licence": licence,
        "protocol": protocol,
        "leaks": leaks is not None,
        "leak_reason": leaks,
    }
    raise typer.Exit(run_scores(table, columns, output, told))


def evaluate(  # noqa: PLR0917 - the parameters are the options
    predictions: Annotated[
        list[Path],
        typer.Argument(
            help="A predictions file; several are folds, each of other videos.", show_default=False
        ),
    ],
    report: Annotated[
        Path | None, typer.Option(help="Write an HTML page.", show_default=False)
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write the figures as JSON; - prints it.")
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="Print tables as markdown or latex.", show_default=False)
    ] = None,
    level: Level = "video",
    aggregation: Aggregation = "mean",
    cluster: Cluster = "source-video",
    threshold: Threshold = "balanced",
    cost: Annotated[
        str, typer.Option(help="FALSE-ALARM:MISS, what each costs, for `expected cost`.")
    ] = "1:1",
    prior: Annotated[float, typer.Option(help="Share of fakes in use, for the same.")] = 0.5,
    split: Annotated[
        str | None, typer.Option(help="Only rows of this split.", show_default="all")
    ] = None,
    replicates: Replicates = REPLICATES,
    seed: Seed = 0,
    min_coverage: MinCoverage = 0.95,
) -> None:
    """Compute figures with intervals; write a page.

    Intervals draw source videos or persons, never frames. Failures are left out and, beside that,
    counted against the detector. Of folds the figures of each and their means are given; scores of
    different networks are not pooled.
    """
    from unmask.cli.evaluation_run import EvaluateOutputs, run_evaluate, settings_of
    from unmask.cli.fold_run import run_folds

    settings = settings_of(
        level=level,
        aggregation=aggregation,
        cluster_by=cluster,
        threshold=threshold,
        cost=cost,
        prior=prior,
        replicates=replicates,
        seed=seed,
        min_coverage=min_coverage,
    )
    outputs = EvaluateOutputs(report=report, json=json, table=table)
    if len(predictions) > 1:
        raise typer.Exit(run_folds(predictions, settings, outputs, split=split))
    raise typer.Exit(run_evaluate(predictions[0], settings, outputs, split=split))


def compare(  # noqa: PLR0917 - the parameters are the options
    first: Predictions,
    second: Annotated[
        Path, typer.Argument(help="Predictions of another detector on the same videos.")
    ],
    level: Level = "video",
    aggregation: Aggregation = "mean",
    cluster: Cluster = "source-video",
    threshold: Threshold = "balanced",
    replicates: Replicates = REPLICATES,
    seed: Seed = 0,
    min_coverage: MinCoverage = 0.95,
) -> None:
    """Compare two detectors on the same videos.

    The difference of each figure has an interval by paired draws of clusters; DeLong's and
    McNemar's tests are given where there is one unit per cluster. Videos that only one of them
    analysed count against the other.
    """
    from unmask.cli.evaluation_run import run_compare, settings_of

    settings = settings_of(
        level=level,
        aggregation=aggregation,
        cluster_by=cluster,
        threshold=threshold,
        replicates=replicates,
        seed=seed,
        min_coverage=min_coverage,
    )
    raise typer.Exit(run_compare(first, second, settings))


def calibrate(  # noqa: PLR0917 - the parameters are the options
    predictions: Annotated[
        list[Path],
        typer.Argument(
            help="Predictions of this detector; with several files each is a source of its own, "
            "left out in turn to measure the words of verdicts.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Folder of the detector; with --detector, a new folder.",
            show_default=False,
        ),
    ],
    detector: Annotated[
        str | None,
        typer.Option(
            help="Detector to copy to a new folder: a folder, or a name of `detectors list`.",
            show_default=False,
        ),
    ] = None,
    all_rows: Annotated[
        bool, typer.Option("--all-rows", help="All rows are validation data, split or not.")
    ] = False,
    level: Level = "video",
    aggregation: Aggregation = "mean",
    cluster: Cluster = "source-video",
    cost: Annotated[
        list[str] | None,
        typer.Option(help="FALSE-ALARM:MISS: another operating point; may be repeated."),
    ] = None,
    error_rate: Annotated[
        float, typer.Option(help="Of abstention: how often a true label may be ruled out.")
    ] = 0.05,
    refuse_outside: Annotated[
        bool,
        typer.Option(
            "--refuse-outside",
            help="A scan refuses faces smaller or more blurred than these.",
        ),
    ] = False,
    seed: Seed = 0,
) -> None:
    """Calibrate a detector on validation predictions.

    Fits probabilities, bounds of likelihood ratios, abstention and operating points, and writes
    them into the bundle with the data they came from.
    """
    from unmask.cli.evaluation_run import run_calibrate

    raise typer.Exit(
        run_calibrate(
            predictions,
            output,
            detector=detector,
            all_rows=all_rows,
            level=level,
            aggregation=aggregation,
            cluster_by=cluster,
            costs=cost or [],
            error_rate=error_rate,
            refuse_outside=refuse_outside,
            seed=seed,
        )
    )


def card(  # noqa: PLR0917 - the parameters are the options
    detector: Annotated[
        str, typer.Argument(help="A folder, or a name of `detectors list`.", show_default=False)
    ],
    predictions: Annotated[
        list[Path] | None,
        typer.Argument(help="Predictions of it, to measure anew.", show_default=False),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Only rows of this split.", show_default="test where there is, or all"),
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write it into the bundle.")] = False,
    level: Level = "video",
    aggregation: Aggregation = "mean",
) -> None:
    """Print a detector's model card, from measured figures only.

    Figures are of the calibration and the operating points that the detector has now.
    """
    from unmask.cli.evaluation_run import run_card

    raise typer.Exit(
        run_card(
            detector,
            predictions or [],
            split=split,
            write=write,
            level=level,
            aggregation=aggregation,
        )
    )
