"""Turn the weights of a training run into the bundle that the package ships.

    python -m unmask.training.default_bundle --run RUN --calibration more.parquet \
        --test dfdc-validation.parquet --name unmask-second --out src/unmask/detectors/default

Calibration and operating points come from validation crops whose source videos are not among the
test crops; the test crops only measure.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from unmask.bundle import (
    BundleManifest,
    Preprocessing,
    file_sha256,
    load_bundle,
)
from unmask.evaluation.card import save
from unmask.models.backbones import BACKBONES
from unmask.models.calibration import (
    Scored,
    calibration,
    metric,
    operating_points,
)
from unmask.models.head import HeadedNetwork, Mirrored
from unmask.models.imagenet import IMAGENET_MEAN, IMAGENET_STD
from unmask.models.parity import measure_parity, require_parity
from unmask.models.tracing import export_gradient, export_scoring
from unmask.training.bundling import JUDGEABLE
from unmask.training.default_detector import predict
from unmask.training.material import ValidationSet, read_validation

TRAINING_DATA = (
    "79,695 face crops of the DFDC training set (parts 05-34), one frame per video; fakes of other "
    "methods by self-blending of DFDC and 3,600 CelebA real faces; ImageNet start"
)
LICENCE = (
    "Weights Apache-2.0 as far as ours; trained on DFDC (research terms of its publishers) and "
    "CelebA (non-commercial research), so use for research and check these terms for anything else"
)
LIMITS = (
    "A small detector: it is wrong often; see its figures. It is no proof on its own.",
    (
        "It knows face swaps like those of DFDC, and blended faces; lip-sync, subtle expression "
        "transfer and wholly generated faces are mostly unseen."
    ),
    (
        "Calibrated on crops of DFDC. On other video (other cameras, make-up, compression, film) "
        "the probability may be far off; the interval does not cover that."
    ),
    "DFDC's actors recur across its parts: its figures are not proven free of known identities.",
)
MARGIN_RATIO = 0.85
"""As the DFDC crops lie around the face detector's boxes (measured: median 0.82)."""
SHIFT_Y_RATIO = 0.06


def scored(model: HeadedNetwork, data: ValidationSet) -> Scored:
    """Score a validation set."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(data.originals))}
    clusters = np.array([numbers[name] for name in data.originals])
    return Scored(predict(model, data), data.labels, clusters)


def trained(run: Path) -> tuple[HeadedNetwork, str, int]:
    """Return a finished run's network, its backbone's title and the side of its input.

    Args:
        run: folder that `default_detector` wrote.
    """
    recipe = json.loads((run / "recipe.json").read_text())["recipe"]
    backbone = BACKBONES[recipe["backbone"]]
    model = backbone.build()
    model.load_state_dict(torch.load(run / "model.pt", weights_only=True))
    return Mirrored(model), f"{backbone.title}, mean of picture and mirror image", recipe["size_px"]


def build(run: Path, *, name: str, calibrate_on: Path, test: Path, out: Path) -> BundleManifest:
    """Export, calibrate, measure and write a bundle.

    Args:
        run: folder of the training run.
        name: the bundle's name.
        calibrate_on: crops for calibration; those whose source is in `test` are left out.
        test: crops to measure on.
        out: folder of the bundle.
    """
    model, backbone, size = trained(run)
    rng = np.random.default_rng(0)
    out.mkdir(parents=True, exist_ok=True)
    tested = read_validation(test, size_px=size)
    sources = frozenset(pq.read_table(test)["original"].to_pylist())
    held_out = read_validation(calibrate_on, size_px=size, without=sources)
    scoring, gradient = out / "model.onnx", out / "gradient.onnx"
    export_scoring(model, scoring, size_px=size)
    export_gradient(model, gradient, size_px=size)
    agreement = measure_parity(
        model, scoring, gradient, tested.images[:64], crops="64 crops of dfdc-validation"
    )
    require_parity(agreement)
    fit = scored(model, held_out)
    fitted_on = (
        f"{len(fit.labels)} DFDC validation crops (parts 35-39; {np.sum(fit.labels == 0)} real) "
        f"of {len(np.unique(fit.clusters))} source videos, none of them in dfdc-validation"
    )
    manifest = BundleManifest(
        bundle_version="1",
        name=name,
        backbone=backbone,
        preprocessing=Preprocessing(
            size_px=size,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            margin_ratio=MARGIN_RATIO,
            shift_y_ratio=SHIFT_Y_RATIO,
        ),
        calibration=calibration(fit, fitted_on, rng),
        operating_points=operating_points(fit),
        judgeable=JUDGEABLE,
        training_data=TRAINING_DATA,
        licence=LICENCE,
        limits=LIMITS,
        metrics=(
            metric("AUC per crop", scored(model, tested), "dfdc-validation, parts 35-39", rng),
        ),
        parity=agreement,
        files={path.name: file_sha256(path) for path in (scoring, gradient)},
    )
    manifest = save(out, manifest)
    load_bundle(out)
    return manifest


def main() -> None:
    """Read the command line and build the bundle."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("run", "calibration", "test", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--name", required=True)
    options = parser.parse_args()
    build(
        options.run,
        name=options.name,
        calibrate_on=options.calibration,
        test=options.test,
        out=options.out,
    )


if __name__ == "__main__":
    main()
