"""Running the commands of evaluation: figures on stdout, progress and warnings on stderr."""

from __future__ import annotations

import json as json_module
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

import typer

from unmask.bundle import BundleManifest, Metric, load_bundle
from unmask.card import card
from unmask.catalogue import find
from unmask.cli.data.tables import print_table
from unmask.cli.inputs import refuse_overwriting
from unmask.datasets.manifest import Split
from unmask.errors import InputError, ManifestError
from unmask.evaluation.calibrating import calibrated, check_same_model, validation_rows
from unmask.evaluation.card import measured, save
from unmask.evaluation.comparing import Comparison
from unmask.evaluation.comparing import compare as compare_predictions
from unmask.evaluation.evaluating import coverage_of
from unmask.evaluation.evaluating import evaluate as evaluate_predictions
from unmask.evaluation.foreign import mapping_of, read_scores
from unmask.evaluation.html import to_html
from unmask.evaluation.metrics import CostMatrix
from unmask.evaluation.predicting import predict, source_at
from unmask.evaluation.predictions import (
    PredictionRow,
    Predictions,
    PredictionsInfo,
    pool,
    read_predictions,
    table_of,
    write_predictions,
)
from unmask.evaluation.results import Evaluation, EvaluationSettings, VideoCount
from unmask.evaluation.tables import group_table, latex, markdown, number, overall_table
from unmask.explain.stated import of_maps
from unmask.files import check_folder_of, write_text
from unmask.provenance import versions
from unmask.report.wording import leak_mark, visible, visible_lines

_FORMATS = {"markdown": markdown, "latex": latex}
_LINE_EVERY_SECONDS = 10.0


@dataclass(frozen=True)
class EvaluateOutputs:
    """Where figures go beside the terminal."""

    report: Path | None
    """The page."""
    json: Path | None
    """The JSON; `-` is standard output."""
    table: str | None
    """Print tables in this form."""

    def check(self, inputs: Sequence[Path]) -> None:
        """Refuse what cannot be written or would replace an input, before anything is computed."""
        files = [path for path in (self.report, self.json) if path not in {None, Path("-")}]
        for path in files:
            check_folder_of(path)
        refuse_overwriting(files, inputs)
        if self.table not in {None, *_FORMATS}:
            raise ValueError(f"--table must be one of {', '.join(_FORMATS)}, got {self.table!r}")


def split_named(name: str | None) -> Split | None:
    """Return a split by name.

    Raises:
        ValueError: there is no such split.
    """
    if name not in {None, *get_args(Split)}:
        raise ValueError(f"--split must be one of {', '.join(get_args(Split))}, got {name!r}")
    return cast("Split | None", name)


def costs_of(text: str, *, prior: float = 0.5) -> CostMatrix:
    """Read costs such as `1:10`, a false alarm and a miss.

    Raises:
        ValueError: they are none.
    """
    alarm, colon, miss = text.partition(":")
    try:
        return CostMatrix(float(miss if colon else "none"), float(alarm), prior)
    except ValueError as error:
        raise ValueError(f"--cost takes FALSE-ALARM:MISS, such as 1:10, got {text!r}") from error


def settings_of(
    *, threshold: str, cost: str = "1:1", prior: float = 0.5, **given: Any
) -> EvaluationSettings:
    """Return the settings of the options."""
    try:
        chosen: str | float = float(threshold)
    except ValueError:
        chosen = threshold
    return EvaluationSettings(threshold=chosen, costs=costs_of(cost, prior=prior), **given)


def run_predict(
    detector: str,
    data: Path,
    output: Path,
    *,
    split: str | None,
    fold: int | None,
    root: Path | None,
    threads: int,
    workers: int,
) -> int:
    """Score, say what was analysed, and return the exit code."""
    check_folder_of(output)
    refuse_overwriting([output], [data, *data.rglob("*")])
    bundle = load_bundle(find(detector))
    source = source_at(
        bundle,
        data,
        split=split_named(split),
        fold=fold,
        root=root,
        threads=threads,
        workers=workers,
    )
    found = predict(bundle, source, output, progress=_Lines())
    if found.info.leaks:
        typer.echo(
            f"note: this protocol leaks by design: {visible(found.info.leak_reason or '')}",
            err=True,
        )
    count = coverage_of(found)
    scored = int((found.words["status"] == "done").sum())
    typer.echo(f"{output}: {scored} crops scored; {stand(count)}")
    return 0 if count.done == count.expected else 3


def stand(count: VideoCount) -> str:
    """Say how videos ended."""
    said = f"videos: {count.done} done, {count.empty} empty, {count.failed} failed"
    return said + (f", {count.missing} not tried" if count.missing else "")


class _Lines:
    """Progress: failures at once, a count now and then."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, finished: int, total: int, rows: list[PredictionRow]) -> None:
        """Note what was just scored."""
        for row in rows:
            if row.status != "done":
                reason = visible(row.reason or "")
                typer.echo(f"{row.status}: {visible(row.video_id)}: {reason}", err=True)
        now = time.monotonic()
        if now - self._said >= _LINE_EVERY_SECONDS or sys.stderr.isatty():
            self._said = now
            end = "\r" if sys.stderr.isatty() and finished < total else "\n"
            sys.stderr.write(f"{finished}/{total} videos{end}")


def run_scores(table: Path, columns: str, output: Path, told: dict[str, Any]) -> int:
    """Import another program's scores."""
    check_folder_of(output)
    refuse_overwriting([output], [table])
    rows = read_scores(table, mapping_of(columns))
    info = PredictionsInfo(**told, settings={"columns": columns}, versions=versions())
    write_predictions(info, table_of(rows), output)
    typer.echo(f"{output}: {len(rows)} rows; {stand(coverage_of(read_predictions(output)))}")
    return 0


def run_evaluate(
    path: Path, settings: EvaluationSettings, outputs: EvaluateOutputs, *, split: str | None
) -> int:
    """Evaluate, print and write; 3 where too little was analysed."""
    outputs.check([path])
    wanted = split_named(split)
    found = evaluate_predictions(of_split(read_predictions(path), wanted), settings)
    warn(found.warnings)
    if outputs.report is not None:
        write_text(outputs.report, to_html(found))
    if outputs.json is not None:
        write_json(as_json(found), outputs.json)
    if outputs.json != Path("-"):
        _print(found, outputs.table)
    return 0 if found.enough else 3


def warn(warnings: Iterable[str]) -> None:
    """Print warnings to standard error."""
    for warning in warnings:
        typer.echo(f"warning: {visible(warning)}", err=True)


def of_split(predictions: Predictions, split: Split | None) -> Predictions:
    """Return the rows of a split; all where None is asked for.

    Raises:
        ManifestError: there are none.
    """
    if split in {None, predictions.info.settings.get("split")}:
        return predictions
    keep = predictions.words["split"] == split
    if not keep.any():
        raise ManifestError(
            f"no row is of the split {split}", hint="leave --split away, or predict that split"
        )
    left = predictions.where(keep)
    videos = len(set(left.video_id))
    settings = {**left.info.settings, "split": split}
    info = left.info.model_copy(update={"videos_expected": videos, "settings": settings})
    return replace(left, info=info)


def as_json(found: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain values; None is not measured."""
    curves = None if found.curves is None else asdict(found.curves)
    return {
        "version": found.version,
        "info": found.info.model_dump(mode="json"),
        "settings": asdict(found.settings),
        "threshold_logit": found.threshold_logit,
        "coverage": {**asdict(found.coverage), "share": found.coverage.share},
        "groups": [asdict(group) for group in found.groups],
        "confusion": asdict(found.confusion),
        "curves": curves,
        "warnings": found.warnings,
    }


def write_json(found: dict[str, Any], path: Path) -> None:
    """Write plain values as JSON; `-` prints them."""
    text = json_module.dumps(found, indent=1, allow_nan=False)
    if path == Path("-"):
        typer.echo(text)
    else:
        write_text(path, text + "\n")


def _print(found: Evaluation, form: str | None) -> None:
    if form is not None:
        for table in (overall_table(found), group_table(found)):
            typer.echo(visible_lines(_FORMATS[form](table)) + "\n")
        return
    info = found.info
    mark = leak_mark(leaks=info.leaks)
    group = found.overall
    typer.echo(f"{visible(info.detector)} on {visible(info.data)}, per {found.settings.level}")
    typer.echo(f"protocol: {visible(info.protocol or 'not split')}{mark}")
    typer.echo(f"{stand(found.coverage)} ({found.coverage.share:.1%} analysed)")
    typer.echo(
        f"{group.reals} real, {group.fakes} fake; intervals over {group.clusters} clusters "
        f"({found.settings.cluster_by}); threshold {found.threshold_logit:.3f}\n"
    )
    groups = [each for each in found.groups if each.by == "all"]
    rows = []
    for figure in group.figures:
        numbers = [number(each.figure(figure.name), found) for each in groups]
        rows.append((figure.name, *(n.text + mark for n in numbers), numbers[0].reason or ""))
    print_table(("figure", *(each.counting for each in groups), ""), rows)


def run_compare(first: Path, second: Path, settings: EvaluationSettings) -> int:
    """Compare, print; 3 where too little was analysed."""
    found = compare_predictions(read_predictions(first), read_predictions(second), settings)
    mark = leak_mark(leaks=found.leaks)
    one, other = (visible(name) for name in found.detectors)
    typer.echo(f"first: {one}, second: {other}")
    typer.echo(
        f"{found.reals} real, {found.fakes} fake {settings.level}s, {found.clusters} clusters; "
        f"not analysed, counted against it: {found.failures[0]} and {found.failures[1]}\n"
    )
    rows = [
        (
            d.name,
            f"{d.first:.3f}{mark}",
            f"{d.second:.3f}{mark}",
            f"{d.difference:+.3f}{mark}",
            "-" if d.interval is None else f"[{d.interval.low:+.3f}, {d.interval.high:+.3f}]",
            "-" if d.p_value is None else f"{d.p_value:.4f}",
        )
        for d in found.differences
    ]
    print_table(("figure", "first", "second", "difference", "95 % interval", "p"), rows)
    _print_tests(found)
    return 0 if found.enough(settings.min_coverage) else 3


def _print_tests(found: Comparison) -> None:
    typer.echo()
    if found.delong is None or found.mcnemar is None:
        typer.echo(
            "DeLong, McNemar: not given, as units share clusters; the intervals above hold for that"
        )
        return
    test = found.delong
    mark = leak_mark(leaks=found.leaks)
    typer.echo(
        f"DeLong: difference of AUC {test.difference:+.4f} "
        f"[{test.interval.low:+.4f}, {test.interval.high:+.4f}], p = {test.p_value:.4f}{mark}"
    )
    typer.echo(
        f"McNemar: only the first right {found.mcnemar.only_first_right}, only the second "
        f"{found.mcnemar.only_second_right}, p = {found.mcnemar.p_value:.4f}{mark}"
    )


def run_calibrate(
    paths: Sequence[Path],
    output: Path,
    *,
    detector: str | None,
    all_rows: bool,
    costs: Sequence[str],
    **how: Any,
) -> int:
    """Calibrate a bundle, in its folder or in a copy."""
    matrices = [costs_of(text) for text in costs]
    folder = output if detector is None else find(detector)
    copied = folder.resolve() != output.resolve()
    if copied and output.exists():
        raise InputError(f"{str(output)!r} exists", hint="name a new folder for the copy")
    bundle = load_bundle(folder)
    rows = validation_rows(pool([read_predictions(p) for p in paths]), all_rows=all_rows)
    made = calibrated(bundle, rows, costs=matrices, **how)
    if copied:
        shutil.copytree(folder, output)
    save(output, made)
    load_bundle(output)
    ratio = made.likelihood
    typer.echo(f"{output}: {made.calibration.method}, on {made.calibration.data}")
    if ratio is not None:
        typer.echo(
            f"log10 likelihood ratios {ratio.log10_lower:.2f} to {ratio.log10_upper:.2f}; "
            f"Cllr {ratio.cllr:.3f}, minimum {ratio.min_cllr:.3f} (cross-validated)"
        )
    columns = ("operating point", "logit", "false positives", "true positives")
    points = [
        (p.name, f"{p.logit:.3f}", f"{p.false_positive_rate:.3f}", f"{p.true_positive_rate:.3f}")
        for p in made.operating_points
    ]
    print_table(columns, points)
    if made.words is not None:
        typer.echo(f"words, on {made.words.data}")
        print_table(
            ("word", "of genuine", "of fakes"),
            [(r.word, f"{r.of_genuine:.1%}", f"{r.of_fake:.1%}") for r in made.words.rates],
        )
    if made.abstention is not None:
        typer.echo(f"cannot judge: {made.abstention.abstained:.1%}. {made.abstention.guarantee}")
    return 0


def run_card(
    detector: str,
    paths: Sequence[Path],
    *,
    split: str | None,
    write: bool,
    level: Any,
    aggregation: str,
) -> int:
    """Print a card, measured anew where predictions are given."""
    wanted = split_named(split)
    folder = find(detector)
    manifest = load_bundle(folder).manifest
    figures: list[Metric] = []
    for path in paths:
        predictions = _for_card(read_predictions(path), manifest, wanted)
        settings = EvaluationSettings(level=level, aggregation=aggregation)
        found = evaluate_predictions(predictions, settings)
        warn(found.warnings)
        figures += measured(found)
    if figures:
        kept = tuple(metric for metric in manifest.metrics if of_maps(metric))
        manifest = manifest.model_copy(update={"metrics": (*figures, *kept)})
    if write:
        save(folder, manifest)
    typer.echo(card(manifest), nl=False)
    return 0


def _for_card(
    predictions: Predictions, manifest: BundleManifest, split: Split | None
) -> Predictions:
    """Return the rows that a card tells of, as the detector is calibrated now.

    Args:
        predictions: of the detector; it may have been calibrated since.
        manifest: the detector's.
        split: the one asked for; None takes the test rows where there are some.
    """
    check_same_model(manifest, predictions)
    if split is None and "test" in predictions.words["split"]:
        split = "test"
    now = {"calibration": manifest.calibration, "operating_points": manifest.operating_points}
    info = predictions.info.model_copy(update=now)
    return of_split(replace(predictions, info=info), split)
