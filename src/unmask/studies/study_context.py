"""What studies run on: the scale, the data, the detector and the cache, each opened once.

At the quick scale, or where no data are given, the material is invented and the detector is a small
network trained on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from unmask.bundle.catalogue import find
from unmask.bundle.manifest import load_bundle
from unmask.errors import InputError, ManifestError
from unmask.settings import ScanSettings
from unmask.studies.cells import Cache, Cell, Factor, Measured
from unmask.studies.crop_set import (
    SIDES,
    Material,
    Sides,
    choose_sides,
    join_reasons,
    read_material,
)
from unmask.studies.films import Film, Films, part_films, read_films
from unmask.studies.frame_crops import Cutting, frames_cell
from unmask.studies.scales import Scale
from unmask.studies.scorers import BundleScorer, LearnedScorer, Scorer
from unmask.studies.synthetic import (
    LICENCE,
    MARGIN_RATIO,
    ToyCrops,
    ToyPersons,
    crops_cell,
    films_cell,
)
from unmask.studies.trained_scores import Lesson, lesson_cell, recipe_for
from unmask.system.parquet import column_names
from unmask.training.recipe import Recipe


@dataclass(frozen=True)
class StudyRequest:
    """What the user gave."""

    data: tuple[Path, ...] = ()
    """Crop stores, files of crops, and manifests of videos."""
    test: tuple[Path, ...] = ()
    """Crops to judge by; else the data's own marks, or a share carved by footage."""
    detector: str | None = None
    """Folder or name of a detector."""
    changes: tuple[str, ...] = ()
    """Fields of all recipes, `name=value`."""
    root: Path | None = None
    """Where the videos of a manifest lie now."""
    device: str = "auto"
    """What networks are trained on."""


class StudyContext:
    """Everything that the cells of studies are made from.

    Args:
        scale: how large.
        request: what the user gave.
        cache: where cells are kept.
        prepared: told of material that is being made.

    Raises:
        InputError: the full scale without data.
    """

    def __init__(
        self,
        scale: Scale,
        request: StudyRequest,
        cache: Cache,
        prepared: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.scale, self.asked, self.cache = scale, request, cache
        self._prepared = prepared
        self._manifests = tuple(path for path in request.data if _is_manifest(path))
        self._crops = tuple(path for path in request.data if path not in self._manifests)
        if scale.name == "full" and not request.data:
            raise InputError(
                "the full scale runs on your data, and none was given",
                hint="give --data with crops or a manifest of videos, or take --scale quick",
            )

    @property
    def seeds(self) -> range:
        """Seeds of conditions that train."""
        return range(self.scale.seeds)

    def recipe(self, network: str, *changes: str, **fields: object) -> Recipe:
        """Return the recipe of a network.

        Args:
            network: as of `recipe_for`.
            changes: fields that the scale sets for this study; the user's come after them.
            fields: fields that the study sets.
        """
        changed = (*self.scale.changes, *changes, *self.asked.changes)
        return recipe_for(network, changed, **fields)

    def explained_recipe(self, *, seed: int) -> Recipe:
        """Return the first network's recipe with class weights, its input large enough for maps."""
        return self.recipe(
            self.scale.networks[0],
            *self.scale.explained_changes,
            imbalance__strategy="balanced",
            selection="auc",
            seed=seed,
        )

    @cached_property
    def crops(self) -> Sides:
        """Crops to train with, on their sides and of the scale's size.

        Raises:
            ManifestError: the data hold no crops.
        """
        sides = self.whole_sides
        return Sides(
            sides.training.at_most(self.scale.train_crops),
            sides.validation.at_most(self.scale.test_crops),
            sides.test.at_most(self.scale.test_crops),
            sides.leak,
        )

    @cached_property
    def whole_sides(self) -> Sides:
        """The same, with all crops to learn from."""
        test = read_material(self.asked.test) if self.asked.test else None
        return choose_sides(self.whole_crops, test=test)

    @cached_property
    def whole_crops(self) -> Material:
        """All crops."""
        if self._crops:
            return read_material(self._crops)
        self._refuse_full("crops", "a crop store or a Parquet file of crops")
        return self.invented(self.scale.toy_crops, "invented faces, four ways to forge")

    @cached_property
    def data_sets(self) -> dict[str, Sides]:
        """Each data set on its sides, by name: those given one by one, or two invented ones."""
        if self._crops:
            return {path.name: choose_sides(read_material([path])) for path in self._crops}
        self._refuse_full("crops", "several crop stores or files of crops")
        other = self.invented(self.scale.toy_other, "other invented faces, fainter, compressed")
        return {"first": self.crops, "second": choose_sides(other)}

    @cached_property
    def persons(self) -> Material:
        """Crops whose labels hang on persons, or the user's where they name persons."""
        if self._crops:
            return self.whole_crops.at_most(self.scale.train_crops)
        self._refuse_full("crops", "a crop store whose rows name persons")
        return self.invented(
            self.scale.toy_persons, "invented persons, mostly forged or mostly real"
        )

    def invented(self, settings: ToyCrops | ToyPersons, title: str) -> Material:
        """Return invented crops, made now if they are not in the cache."""
        cell = crops_cell(settings)
        return Material(title, cell.key, LICENCE, self._made(cell, title).table)

    @cached_property
    def films(self) -> Films:
        """Videos."""
        if self._manifests:
            return read_films(self._manifests[0], root=self.asked.root, limit=self.scale.films)
        self._refuse_full("videos", "a manifest that `unmask data index` wrote")
        cell = films_cell(self.scale.toy_films)
        title = "invented films"
        rows = self._made(cell, title).table.to_pylist()
        folder = self.cache.kept(cell)
        films = tuple(Film(path=folder / row["id"], **row) for row in rows)
        return Films(title, LICENCE, films)

    @cached_property
    def film_sides(self) -> tuple[tuple[Film, ...], tuple[Film, ...], tuple[Film, ...]]:
        """Films to learn from, to choose the epoch by and to judge by; linked ones stay together.

        Raises:
            ManifestError: a side lacks real or fake films.
        """
        films = self.films
        if films.side("test"):
            learned = films.side("train", "validation")
            marked = films.side("validation")
            training, validation = (films.side("train"), marked) if marked else part_films(learned)
            sides = training, validation, films.side("test")
        else:
            rest, test = part_films(films.films, share=0.4)
            sides = *part_films(rest), test
        if any({film.label for film in side} != {"real", "fake"} for side in sides):
            raise ManifestError(
                "there are too few films to learn from, to choose by and to judge by",
                hint="give more real and fake videos, or mark splits with `unmask data split`",
            )
        return sides

    @property
    def learned_cutting(self) -> Cutting:
        """How faces are cut for networks that are trained on films."""
        size_px = self.recipe(self.scale.networks[0]).network.size_px
        return Cutting(size_px, MARGIN_RATIO, scan=ScanSettings(budget=self.scale.budget))

    def done(self, cell: Cell) -> bool:
        """Make a cell that others are listed by; tell whether it could be made."""
        try:
            self._made(cell, cell.name)
        except Exception:  # noqa: BLE001 - the engine notes the reason when it comes to the cell
            return False
        return True

    def frames(self, film: Film, cutting: Cutting) -> pa.Table | None:
        """Return a film's frames, cut now if they are not in the cache; None where that fails."""
        cell = frames_cell({"film": film.id}, film, cutting)
        return self.cache.read(cell).table if self.done(cell) else None

    @cached_property
    def scorer(self) -> Scorer:
        """The detector that was asked for, or a small network trained on the invented crops."""
        if self.asked.detector is not None or self.asked.data:
            return BundleScorer(load_bundle(find(self.asked.detector or "default")))
        self._prepared("a network that scores")
        cell = self.base_lesson({"part": "scorer"})
        self.cache.run(cell)
        return self.learned(cell)

    def base_lesson(self, factors: dict[str, Factor]) -> Cell:
        """Return the first network's lesson with class weights; its weights are kept."""
        recipe = self.explained_recipe(seed=0)
        sides = self.crops
        lesson = Lesson(recipe, sides.training, sides.validation, sides.test)
        return lesson_cell(factors, lesson, device=self.asked.device, keep=True)

    def learned(self, cell: Cell) -> LearnedScorer:
        """Return the network that a lesson's cell keeps."""
        size_px = int(cell.content["recipe"]["network"]["size_px"])
        return LearnedScorer(self.cache.kept(cell), cell.key, size_px, MARGIN_RATIO)

    def described(self, needs: str) -> tuple[str, ...]:
        """Return what a study that needs this ran on, a line each; what was not opened is left."""
        opened = vars(self)
        lines = []
        if "films" in needs and "films" in opened:
            lines.append(self.films.described)
        if "persons" in needs and "persons" in opened:
            lines.append(self.persons.described)
        if "crops" in needs and "whole_sides" in opened:
            sides = self.whole_sides
            lines += [
                f"{side} side of {part.described}"
                for side, part in zip(
                    SIDES, (sides.training, sides.validation, sides.test), strict=True
                )
            ]
        if "detector" in needs and "scorer" in opened:
            lines.append(self.scorer.title)
        return tuple(lines)

    def leak(self, needs: str) -> str | None:
        """Return why the sides that a study with these needs used leak; None where they do not."""
        opened = vars(self)
        reasons = []
        if "films" in needs and "films" in opened and self.films.side("test"):
            reasons.append(self.films.leak)
        if "crops" in needs:
            sides = [self.whole_sides] if "whole_sides" in opened else []
            sides += self.data_sets.values() if "data_sets" in opened else ()
            reasons += [each.leak for each in sides]
        return join_reasons(reasons)

    def settings(self, cells: Sequence[Cell]) -> dict[str, str]:
        """Return what these cells were run with, in words; what they did not use is left out.

        Args:
            cells: of one study.
        """
        scale = self.scale
        used = {"draws of intervals": str(scale.replicates)}
        if any("crops" in cell.content or "test" in cell.content for cell in cells):
            used["most crops to judge by"] = str(scale.test_crops or "all")
        networks = self._trained_networks(cells)
        if not networks:
            return {"networks trained": "none", **used}
        changes = {
            "changes": (*scale.changes, *self.asked.changes),
            "changes of leak": scale.leak_changes,
            "changes of networks that are explained": scale.explained_changes,
        }
        return {
            "networks": ", ".join(networks),
            **{name: " ".join(each) for name, each in changes.items() if each},
            "most crops to learn from": str(scale.train_crops or "all"),
            "seeds": str(scale.seeds),
            "device": self.asked.device,
            **used,
        }

    def _trained_networks(self, cells: Sequence[Cell]) -> list[str]:
        """Return those of the scale's networks that the cells, or their scorer, trained."""
        recipes = [cell.content["recipe"] for cell in cells if "recipe" in cell.content]
        trained = {recipe["network"]["backbone"] for recipe in recipes}
        if isinstance(vars(self).get("scorer"), LearnedScorer):
            trained.add(self.explained_recipe(seed=0).network.backbone)
        return [n for n in self.scale.networks if self.recipe(n).network.backbone in trained]

    def _made(self, cell: Cell, title: str) -> Measured:
        if not self.cache.has(cell):
            self._prepared(title)
        return self.cache.run(cell)

    def _refuse_full(self, what: str, give: str) -> None:
        """Refuse to invent material beside the user's own."""
        if self.scale.name == "full" or self.asked.data:
            raise ManifestError(
                f"this study needs {what}, and none were given", hint=f"give {give}"
            )


def _is_manifest(path: Path) -> bool:
    """Tell whether a file is a manifest of videos: a table without pictures.

    Raises:
        ManifestError: it is no table.
    """
    if not path.is_file():
        return False
    hint = "give a crop store, a Parquet file of crops, or a manifest of videos"
    return "image" not in column_names(path, hint=hint)
