"""What `unmask explain-check` does: crops, figures, intervals, tables, the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray

from unmask.bundle.devices import Device
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.bundle.runtime import preprocess
from unmask.cli.inputs import refuse_overwriting
from unmask.cli.progress import progress_bar
from unmask.cli.runs.check_samples import forged_samples, refuse_clips, samples_in
from unmask.cli.runs.explain import chosen_methods
from unmask.core.errors import InputError, InputNotFound
from unmask.datasets.manifest import Split
from unmask.evaluation.bootstrap import CLUSTERS_NEEDED, percentile_interval, replicate
from unmask.evaluation.card import save
from unmask.explain import TITLES, BundleNetwork
from unmask.explain.check import Checker, MapRow, PairRow, Sample
from unmask.explain.faithfulness_results import to_metrics, with_metrics
from unmask.explain.randomisation import cascade
from unmask.explain.summary import RULE, Figure, Summary, summarise
from unmask.report.maps_page import MapsPage, maps_page
from unmask.system.files import write_text, write_whole

_FILES = ("index.html", "maps.parquet", "agreement.parquet", "metrics.json")
"""What is written into the folder of the result."""


@dataclass(frozen=True)
class CheckRequest:
    """What is to be checked, and where the result goes."""

    crops: Path | None
    """Crop store, table of crops or folder of pictures."""
    split: Split | None
    """Only crops of this split; None for all."""
    detector: Path
    """Folder of a bundle."""
    synthetic: int
    """Forgeries to make."""
    masks: bool
    """Whether to read masks."""
    output: Path
    """Folder of the result."""
    methods: tuple[str, ...] | None
    """Methods; None for all that the detector can be explained with."""
    limit: int | None
    """Most crops of the folder."""
    seed: int
    """Of whatever is random."""
    threads: int
    """Of the network."""
    device: Device
    """What it runs on."""
    write: bool
    """Whether the figures go into the bundle and its card."""

    @property
    def material(self) -> str:
        """What the check is made on, in words."""
        of_split = "" if self.split is None else f" (split {self.split})"
        parts = [] if self.crops is None else [f"{self.crops.name}{of_split}"]
        return " and ".join([*parts, *["synthetic forgeries"][: self.synthetic]])

    def check(self) -> None:
        """Refuse a split of nothing, and a result that cannot be written or replaces the crops.

        Raises:
            InputError: a split without crops, the folder is a file, or a file that will be written
                is the table of crops.
        """
        if self.split is not None and self.crops is None:
            raise InputError(
                "synthetic forgeries have no split", hint="give crops, or leave --split out"
            )
        if self.output.is_file():
            raise InputError(f"{str(self.output)!r} is a file", hint="name a folder for the result")
        inputs = [] if self.crops is None else [self.crops]
        refuse_overwriting([self.output / name for name in _FILES], inputs)


def run_explain_check(request: CheckRequest) -> int:
    """Check, write, print, and return the exit code."""
    request.check()
    bundle = load_bundle(request.detector)
    methods = chosen_methods(bundle, request.methods)
    samples = _samples(request, bundle)
    request.output.mkdir(parents=True, exist_ok=True)
    spec = bundle.manifest.preprocessing
    model = BundleNetwork(bundle, threads=request.threads, device=request.device)
    checker = Checker(model, lambda crops: preprocess(crops, spec), methods, seed=request.seed)
    with progress_bar(1) as bar:
        shuffled = cascade(bundle, seed=request.seed, threads=request.threads)
        checked = checker.check(samples, shuffled=shuffled, progress=bar.of_file)
    summary = summarise(
        checked,
        threshold=bundle.manifest.point("balanced").logit,
        interval=partial(mean_interval, seed=request.seed),
    )
    _write_table(request.output / "maps.parquet", checked.rows, MapRow)
    _write_table(request.output / "agreement.parquet", checked.pairs, PairRow)
    _write_metrics(request, summary, bundle)
    page = maps_page(MapsPage(bundle.manifest.name, bundle.sha256, request.seed, summary, checked))
    write_text(request.output / "index.html", page)
    _print(summary)
    typer.echo(f"written: {request.output / 'index.html'}")
    return 1 if any(line.verdict == "untrustworthy" for line in summary.methods) else 0


def _samples(request: CheckRequest, bundle: Bundle) -> list[Sample]:
    """Return the crops to check on.

    Raises:
        InputNotFound: none were asked for, or there are none.
        InputError: the detector judges clips, and here are single pictures.
    """
    spec = bundle.manifest.preprocessing
    samples: list[Sample] = []
    if request.crops is not None:
        if not request.crops.exists():
            raise InputNotFound(
                f"no crops at {str(request.crops)!r}",
                hint="give a crop store, a Parquet file of crops, or a folder of face crops as "
                "pictures",
            )
        samples += samples_in(
            request.crops, bundle, split=request.split, masks=request.masks, limit=request.limit
        )
    if request.synthetic:
        refuse_clips(bundle, "synthetic forgeries are single pictures")
    samples += forged_samples(request.synthetic, spec)
    if not samples:
        raise InputNotFound(
            "there are no crops to check maps on",
            hint="name a folder of crops, or give --synthetic 24",
        )
    return samples


def mean_interval(
    values: NDArray[np.float64], cluster: NDArray[np.int64], *, seed: int
) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean, by bootstrap over source videos."""
    if len(np.unique(cluster)) < CLUSTERS_NEEDED:
        return None
    drawn = replicate(
        cluster, lambda weights: {"mean": weights @ values / weights.sum(axis=1)}, seed=seed
    )
    interval = percentile_interval(drawn["mean"])
    return None if interval is None else (interval.low, interval.high)


def _write_table(
    path: Path, rows: Sequence[MapRow | PairRow], kind: type[MapRow | PairRow]
) -> None:
    """Write rows as Parquet, a column per field."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [asdict(row)[name] for row in rows] for name in kind.__dataclass_fields__}
    write_whole(path, lambda partial: pq.write_table(pa.table(columns), partial))


def _write_metrics(request: CheckRequest, summary: Summary, bundle: Bundle) -> None:
    """Write what a bundle can carry of this as its own metrics, on demand into the bundle."""
    data = (
        f"unmask explain-check on {request.material}: {summary.crops} crops, {summary.called_fake} "
        f"called fake; 95 % bootstrap over {summary.videos} source videos"
    )
    metrics = to_metrics(summary, data=data)
    text = json.dumps([metric.model_dump(mode="json") for metric in metrics], indent=1)
    write_text(request.output / "metrics.json", text + "\n")
    if request.write:
        # read again: the check takes minutes, in which others may have written
        save(bundle.folder, with_metrics(load_bundle(bundle.folder).manifest, metrics))


def _print(summary: Summary) -> None:
    """Print the table."""
    from unmask.cli.tables import print_table

    header = (
        *("method", "verdict", "gain over centre", "gain over random"),
        *("shuffled", "steadiness", "in mask", "empty"),
    )
    rows = [
        (
            TITLES.get(line.method, f"({line.method})"),
            line.verdict or "baseline",
            _figure(line.gain_centre, sign=True),
            _figure(line.gain_random, sign=True),
            _figure(line.shuffled[-1] if line.shuffled else None),
            _figure(line.sensitivity),
            _figure(line.energy),
            f"{line.empty * 100:.0f} %",
        )
        for line in summary.methods
    ]
    print_table(header, rows)
    typer.echo(
        f"{summary.crops} crops of {summary.videos} videos, {summary.called_fake} called fake, "
        f"{summary.masked} with masks"
    )
    typer.echo(f"verdict: {RULE}")


def _figure(figure: Figure | None, *, sign: bool = False) -> str:
    if figure is None:
        return "not measured"
    form = "+.3f" if sign else ".3f"
    if figure.interval is None:
        return f"{figure.mean:{form}}"
    low, high = figure.interval
    return f"{figure.mean:{form}} ({low:{form}} to {high:{form}})"
