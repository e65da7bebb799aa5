"""How large a study is: the quick scale on invented material, the full one on the user's data.

Every number that a scale fixes stands here, once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from unmask.scanner.keyframes import SELECTORS
from unmask.studies.synthetic import ToyCrops, ToyFilms, ToyPersons
from unmask.training.recipe import StrategyName

STRATEGIES: tuple[str, ...] = get_args(StrategyName)
"""Every strategy of the training room."""
PAPER_RECIPES = (
    "paper-xception",
    "paper-inception-resnet-v2",
    "paper-efficientnetv2-s",
    "paper-efficientnetv2-m",
)
"""The paper's four networks, as the recipes of the package name them."""
_TINY = ("network.weights=null", "network.size_px=48", "workers=0", "checkpoint_steps=1000")


@dataclass(frozen=True)
class Scale:
    """Numbers of a run of studies."""

    name: str
    """As the command line has it."""
    networks: tuple[str, ...]
    """Recipes of the package, or timm's names of networks."""
    changes: tuple[str, ...] = ()
    """Fields of all recipes, `name=value`."""
    seeds: int = 3
    """Runs of each condition that trains."""
    train_crops: int | None = None
    """Most crops to learn from; None for all."""
    test_crops: int | None = None
    """Most crops to judge by; None for all."""
    strategies: tuple[str, ...] = STRATEGIES
    """Strategies against imbalance that are compared."""
    ratios: tuple[float, ...] = (0.01, 0.1, 1 / 3, 1, 3, 10, 30, 100)
    """Fakes per real of `imbalance-severity`."""
    severity_crops: int = 4000
    """Crops to learn from at each of these ratios."""
    leak_changes: tuple[str, ...] = ()
    """Fields of the recipes of `leak`: few invented crops need more passes."""
    folds: int = 4
    """Folds of `leak`, at least 3."""
    selectors: tuple[str, ...] = tuple(SELECTORS)
    """Ways to choose frames."""
    budgets: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """Frames of each face."""
    budget: int = 32
    """Frames of each face where the budget is held."""
    films: int | None = None
    """Most videos; None for all."""
    explained_changes: tuple[str, ...] = ()
    """Fields of the recipes of networks that are explained or score films: a larger input, where
    the others' is too small for a map."""
    explained: int = 400
    """Crops whose maps are compared."""
    methods: tuple[str, ...] | None = None
    """Methods of explaining that are compared; None for all that the detector allows."""
    replicates: int = 1000
    """Draws of an interval."""
    toy_crops: ToyCrops = field(default_factory=lambda: ToyCrops(persons=64))
    """Invented crops."""
    toy_other: ToyCrops = field(
        default_factory=lambda: ToyCrops(
            persons=40, methods=("swap",), strength=0.8, first_person=1000, quality=60
        )
    )
    """A second set: other persons, a fainter forgery, stronger compression."""
    toy_persons: ToyPersons = field(default_factory=lambda: ToyPersons(persons=20))
    """Invented crops whose labels hang on persons."""
    toy_films: ToyFilms = field(default_factory=lambda: ToyFilms(training=8, test=12))
    """Invented films."""


QUICK = Scale(
    name="quick",
    networks=("test_resnet", "test_efficientnet", "test_byobnet", "test_convnext"),
    changes=(*_TINY, "epochs=6", "batch_size=16", "optimiser.learning_rate=0.005"),
    seeds=2,
    train_crops=720,
    test_crops=400,
    ratios=(0.01, 0.1, 1, 10, 100),
    severity_crops=210,
    leak_changes=("epochs=12",),
    folds=3,
    budget=8,
    explained_changes=("network.size_px=96",),
    explained=48,
    toy_films=ToyFilms(training=16, test=16),
)
FULL = Scale(name="full", networks=PAPER_RECIPES)
SCALES = {scale.name: scale for scale in (QUICK, FULL)}
"""Scales by name."""
