"""Recipes: the paper's numbers, changes by --set, and what is said of mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="recipes are YAML (extra `train`)")

from unmask.core.errors import InputNotFound, RecipeError
from unmask.training.recipe import Recipe, built_in, load_recipe, to_yaml

ROOT = Path(__file__).parents[2]
BACKBONES = {
    "xception": "legacy_xception",
    "inception-resnet-v2": "inception_resnet_v2",
    "efficientnetv2-s": "tf_efficientnetv2_s",
    "efficientnetv2-m": "tf_efficientnetv2_m",
}


@pytest.mark.parametrize("short", BACKBONES)
def test_the_papers_recipes_are_the_papers(short: str) -> None:
    recipe = load_recipe(f"paper-{short}")
    assert recipe.network.backbone == BACKBONES[short]
    assert (recipe.network.size_px, recipe.network.head_width, recipe.network.dropout) == (
        224,
        128,
        0.5,
    )
    assert (recipe.optimiser.name, recipe.optimiser.learning_rate) == ("adam", 1e-3)
    schedule = recipe.schedule
    assert (schedule.name, schedule.factor, schedule.patience_epochs, schedule.floor) == (
        "plateau",
        0.5,
        5,
        1e-4,
    )
    assert (recipe.epochs, recipe.batch_size, recipe.selection) == (20, 16, "accuracy")
    assert (recipe.augmentation.name, recipe.augmentation.self_blended_ratio) == ("none", 0)
    assert recipe.imbalance.strategy == "balanced"


@pytest.mark.parametrize("short", BACKBONES)
def test_the_modern_recipes_are_chosen_by_videos(short: str) -> None:
    recipe = load_recipe(f"modern-{short}")
    assert recipe.network.backbone == BACKBONES[short]
    assert (recipe.optimiser.name, recipe.schedule.name) == ("adamw", "cosine")
    assert recipe.schedule.warmup_ratio > 0
    assert recipe.ema_decay is not None
    assert recipe.label_smoothing > 0
    assert (recipe.augmentation.name, recipe.selection) == ("standard", "video_auc")
    assert recipe.augmentation.self_blended_ratio > 0


def test_a_recipe_is_found_by_name_and_by_path() -> None:
    assert len(built_in()) == 14
    named, by_path = (
        load_recipe("paper-xception"),
        load_recipe(ROOT / "recipes/paper-xception.yaml"),
    )
    assert named == by_path


def test_a_recipe_survives_writing_and_reading(tmp_path: Path) -> None:
    recipe = load_recipe("modern-xception", ["seed=7"])
    (tmp_path / "recipe.yaml").write_text(to_yaml(recipe))
    assert load_recipe(tmp_path / "recipe.yaml") == recipe


def test_a_written_recipe_names_every_field() -> None:
    import yaml

    written = yaml.safe_load(to_yaml(Recipe()))
    assert set(written) == set(Recipe.model_fields)
    assert set(written["imbalance"]) == set(type(Recipe().imbalance).model_fields)


def test_set_changes_single_fields() -> None:
    changes = ["epochs=5", "optimiser.learning_rate=3e-4", "network.weights=null", "precision=32"]
    recipe = load_recipe("paper-xception", changes)
    assert (recipe.epochs, recipe.optimiser.learning_rate) == (5, 3e-4)
    assert (recipe.network.weights, recipe.precision) == (None, "32")
    assert recipe.network.backbone == "legacy_xception"


@pytest.mark.parametrize(
    ("change", "said", "hint"),
    [
        ("epochs=0", "epochs: input should be greater than or equal to 1, got 0", "epochs=VALUE"),
        ("epoch=3", "no field 'epoch'", "did you mean epochs?"),
        ("optimiser.lr=1", "no field 'optimiser.lr'", "there are: name, learning_rate"),
        ("imbalance.strategy=smote", "'paired', got 'smote'", "imbalance.strategy=VALUE"),
        ("selection=test_auc", "selection: input should be 'accuracy'", "selection=VALUE"),
        ("label_smoothing=.nan", "label_smoothing: input should be", "label_smoothing=VALUE"),
        ("epochs", "'epochs' sets nothing", "--set FIELD=VALUE"),
        ("epochs.a=1", "'epochs' has no fields of its own", "--set epochs=VALUE"),
        ("network={", "the value of --set network is no YAML", "docs/training.md"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(change: str, said: str, hint: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(said)) as raised:
        load_recipe("paper-xception", [change])
    assert hint in raised.value.hint


def test_pairs_need_even_batches() -> None:
    with pytest.raises(RecipeError, match="batch_size must be even for the strategy 'paired'"):
        load_recipe("paper-xception", ["imbalance.strategy=paired", "batch_size=15"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["partial_ratio=0.5"], "augmentation.partial_ratio needs augmentation.matched=true"),
        (["matched=true"], "needs imbalance.strategy=paired, got 'balanced'"),
        (["matched=true", "partial_ratio=0.5"], "needs imbalance.strategy=paired, got 'balanced'"),
    ],
)
def test_matching_needs_pairs_and_parts_need_matching(changes: list[str], said: str) -> None:
    changes = [f"augmentation.{change}" for change in changes]
    with pytest.raises(RecipeError, match=re.escape(said)) as raised:
        load_recipe("paper-xception", changes)
    assert raised.value.hint == "change one of the two"


def test_parts_of_matched_pairs_are_a_recipe() -> None:
    changes = ["imbalance.strategy=paired", "augmentation.matched=true"]
    recipe = load_recipe("paper-xception", [*changes, "augmentation.partial_ratio=0.5"])
    assert (recipe.augmentation.matched, recipe.augmentation.partial_ratio) == (True, 0.5)


@pytest.mark.parametrize(
    "field", ["network.drop_path", "augmentation.erased_ratio", "augmentation.partial_ratio"]
)
def test_ratios_are_off_by_default_and_below_one(field: str) -> None:
    part, _, name = field.partition(".")
    assert getattr(getattr(Recipe(), part), name) == 0
    with pytest.raises(RecipeError, match=f"{field}: input should be less than 1, got 1"):
        load_recipe("paper-xception", [f"{field}=1"])


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(InputNotFound, match="no recipe 'paper-xeption'") as raised:
        load_recipe("paper-xeption")
    assert "did you mean paper-xception?" in raised.value.hint


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words"])
def test_a_file_without_fields_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match="holds no fields"):
        load_recipe(path)


def test_yaml_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(RecipeError, match="is no YAML"):
        load_recipe(path)
