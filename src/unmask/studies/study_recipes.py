"""Recipes of the networks that studies train: the scale's, the study's and the user's changes."""

from __future__ import annotations

from collections.abc import Iterable

from unmask.core.settings import ScanSettings
from unmask.studies.cells import Cell
from unmask.studies.frame_crops import Cutting
from unmask.studies.scales import Scale
from unmask.studies.synthetic import MARGIN_RATIO
from unmask.studies.trained_scores import recipe_for
from unmask.training.recipe import Recipe


class StudyRecipes:
    """Recipes at a scale.

    Args:
        scale: with its networks and changes.
        changes: the user's, `name=value`; they come last.
    """

    def __init__(self, scale: Scale, changes: tuple[str, ...]) -> None:
        self._scale, self._changes = scale, changes

    def of_network(self, network: str, *changes: str, **fields: object) -> Recipe:
        """Return the recipe of a network.

        Args:
            network: as of `recipe_for`.
            changes: fields that the scale sets for this study; the user's come after them.
            fields: fields that the study sets.
        """
        return recipe_for(network, (*self._scale.changes, *changes, *self._changes), **fields)

    def explained(self, *, seed: int) -> Recipe:
        """Return the first network's recipe with class weights, its input large enough for maps."""
        return self.of_network(
            self._scale.networks[0],
            *self._scale.explained_changes,
            imbalance__strategy="balanced",
            selection="auc",
            seed=seed,
        )

    @property
    def cutting(self) -> Cutting:
        """How faces are cut for networks that are trained on films."""
        size_px = self.of_network(self._scale.networks[0]).network.size_px
        return Cutting(size_px, MARGIN_RATIO, scan=ScanSettings(budget=self._scale.budget))

    def list_trained(self, cells: Iterable[Cell]) -> list[str]:
        """Return those of the scale's networks that cells train."""
        recipes = [cell.content["recipe"] for cell in cells if "recipe" in cell.content]
        trained = {recipe["network"]["backbone"] for recipe in recipes}
        return [n for n in self._scale.networks if self.of_network(n).network.backbone in trained]
