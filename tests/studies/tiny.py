"""The smallest scale at which every study has something to say, for tests."""

from __future__ import annotations

from unmask.studies.scales import Scale
from unmask.studies.synthetic import ToyCrops, ToyFilms, ToyPersons

TINY = Scale(
    name="quick",
    networks=("test_resnet",),
    changes=(
        "network.weights=null",
        "network.size_px=32",
        "workers=0",
        "checkpoint_steps=1000",
        "epochs=1",
        "batch_size=4",
    ),
    seeds=1,
    train_crops=16,
    test_crops=24,
    strategies=("none", "balanced", "paired"),
    ratios=(1, 2),
    severity_crops=12,
    folds=3,
    selectors=("local-maxima", "uniform", "all"),
    budgets=(1, 2),
    budget=2,
    explained_changes=("network.size_px=64",),
    explained=14,
    replicates=50,
    toy_crops=ToyCrops(persons=20, frames=1, methods=("swap", "sharp"), size_px=32),
    toy_other=ToyCrops(persons=12, frames=1, methods=("swap",), size_px=32, first_person=1000),
    toy_persons=ToyPersons(persons=6, takes=2, frames=2, size_px=32),
    toy_films=ToyFilms(training=3, test=5, seconds=0.4),
)
