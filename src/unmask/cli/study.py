"""`unmask study list | run | report`: what they take.

PyTorch is imported when a cell trains; `list` and `report` never need it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.repeated_values import ManyValues
from unmask.core.text import visible_lines

study_app = typer.Typer(
    no_args_is_help=True, help="The paper's experiments and questions, as studies."
)
RUN_CODES = (
    "Exit codes: 0 answered; 2 wrong use or bad input; 3 a cell failed or a study found no answer "
    "(the page says why); 130 stopped. Run the same command again to go on."
)


@study_app.command("list")
def list_studies() -> None:
    """List the studies: name, where the question comes from, the question."""
    from unmask.cli.tables import print_table
    from unmask.studies.catalogue import STUDIES

    rows = [(s.name, s.needs, s.origin, s.question) for s in STUDIES.values()]
    print_table(("study", "needs", "from", "question"), rows)


@study_app.command("run", cls=ManyValues, epilog=RUN_CODES)
def run(  # noqa: PLR0917 - the parameters are the options
    name: Annotated[str, typer.Argument(help="A study of `unmask study list`, or all.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Crop stores, Parquet files of crops, or a manifest of videos.",
            show_default="invented material",
        ),
    ] = None,
    test: Annotated[
        list[Path] | None,
        typer.Option(
            help="Crops to judge by.", show_default="what the data mark, else a share by footage"
        ),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help="Detector for studies that need one.",
            show_default="the shipped one for your data, else a small one of invented crops",
        ),
    ] = None,
    scale: Annotated[str, typer.Option(help="quick or full.")] = "quick",
    networks: Annotated[
        str | None,
        typer.Option(help="Recipes or timm's names, separated by commas.", show_default="scale's"),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field of every recipe: epochs=5, network.size_px=96."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Runs of each condition.", show_default="scale's")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help="Most crops to learn from, and to judge by.", show_default="scale's"
        ),
    ] = None,
    strategies: Annotated[
        str | None,
        typer.Option(
            help="Strategies of imbalance-methods, separated by commas; balanced is among them.",
            show_default="all",
        ),
    ] = None,
    ratios: Annotated[
        str | None,
        typer.Option(
            help="Real to fake of imbalance-severity: 10:1,1:1,1:10. 1:1 is among them.",
            show_default="scale's",
        ),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Methods of explanation-consistency, separated by commas.",
            show_default="all that the detector allows",
        ),
    ] = None,
    films: Annotated[
        int | None, typer.Option(min=1, help="Most videos of a manifest.", show_default="all")
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(help="Where a manifest's videos lie now.", show_default="as indexed"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder of the study; of all: of the studies.",
            show_default="studies/NAME, or studies",
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder of measurements, which studies share.", show_default="OUTPUT/cells"
        ),
    ] = None,
) -> None:
    """Run a study, or go on with one that was stopped.

    Every measurement is kept when it is done, so that the same command goes on after a stop.
    """
    from unmask.cli.runs.study import StudySelection, run_studies
    from unmask.studies.request import StudyRequest

    request = StudyRequest(
        data=tuple(data or ()),
        test=tuple(test or ()),
        detector=detector,
        changes=tuple(changes or ()),
        root=root,
        device=device,
    )
    selection = StudySelection(
        name, scale, networks, seeds, limit, films, strategies, ratios, methods
    )
    raise typer.Exit(run_studies(selection, request, output, cache))


@study_app.command("report")
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a study, or of several.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write one HTML page.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write Markdown; - prints it.")] = None,
) -> None:
    """Join studies into one page, or print their answers."""
    from unmask.cli.inputs import refuse_overwriting
    from unmask.cli.runs.study import describe_outcome
    from unmask.studies.engine import read_outcomes
    from unmask.studies.page import to_html, to_markdown
    from unmask.system.files import write_text

    files = [path for path in (output, markdown) if path not in {None, Path("-")}]
    refuse_overwriting(files, [])
    outcomes = read_outcomes(folder)
    if output is not None:
        write_text(output, to_html(outcomes))
    if markdown is not None and str(markdown) != "-":
        write_text(markdown, to_markdown(outcomes))
    elif markdown is not None:
        typer.echo(visible_lines(to_markdown(outcomes)), nl=False)
    if output is None and markdown is None:
        for outcome in outcomes:
            typer.echo(describe_outcome(outcome))
