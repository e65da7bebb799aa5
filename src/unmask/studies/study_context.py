"""What studies run on: the scale, the data, the detector and the cache, each opened once.

At the quick scale, or where no data are given, the material is invented and the detector is a small
network trained on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from unmask.bundle.catalogue import find
from unmask.bundle.manifest import load_bundle
from unmask.studies.cells import Cache, Cell, CellMaker, Factor
from unmask.studies.crop_material import CropMaterial
from unmask.studies.film_material import FilmMaterial
from unmask.studies.provenance import Provenance
from unmask.studies.request import StudyRequest
from unmask.studies.scales import Scale
from unmask.studies.scorers import BundleScorer, LearnedScorer, Scorer
from unmask.studies.study_recipes import StudyRecipes
from unmask.studies.synthetic import MARGIN_RATIO
from unmask.studies.trained_scores import Lesson, lesson_cell


class StudyContext:
    """Everything that the cells of studies are made from.

    Args:
        scale: how large.
        request: what the user gave.
        cache: where cells are kept.
        prepared: told of material that is being made.

    Attributes:
        recipes: of the networks that are trained.
        crops: crops to train with and to judge by.
        films: videos.
        maker: of cells that others are listed by.
        provenance: what was opened.

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
        request.check(scale)
        self.scale, self.request, self.cache = scale, request, cache
        self.maker = CellMaker(cache, prepared)
        self.provenance = Provenance()
        self.recipes = StudyRecipes(scale, request.changes)
        self.crops = CropMaterial(scale, request, self.maker, self.provenance)
        self.films = FilmMaterial(scale, request, self.maker, self.provenance)
        self._scorer_lessons: tuple[Cell, ...] = ()

    @property
    def seeds(self) -> range:
        """Seeds of conditions that train."""
        return range(self.scale.seeds)

    @cached_property
    def scorer(self) -> Scorer:
        """The detector that was asked for, or a small network trained on the invented crops."""
        scorer: Scorer
        if self.request.detector is not None or self.request.data:
            scorer = BundleScorer(load_bundle(find(self.request.detector or "default")))
        else:
            self.maker.prepared("a network that scores")
            cell = self.base_lesson({"part": "scorer"})
            self.cache.run(cell)
            self._scorer_lessons = (cell,)
            scorer = self.learned(cell)
        self.provenance.note("detector", scorer.title)
        return scorer

    def base_lesson(self, factors: dict[str, Factor]) -> Cell:
        """Return the first network's lesson with class weights; its weights are kept."""
        sides = self.crops.sides
        recipe = self.recipes.explained(seed=0)
        lesson = Lesson(recipe, sides.training, sides.validation, sides.test)
        return lesson_cell(factors, lesson, device=self.request.device, keep=True)

    def learned(self, cell: Cell) -> LearnedScorer:
        """Return the network that a lesson's cell keeps."""
        size_px = int(cell.content["recipe"]["network"]["size_px"])
        return LearnedScorer(self.cache.kept(cell), cell.key, size_px, MARGIN_RATIO)

    def settings(self, cells: Sequence[Cell]) -> dict[str, str]:
        """Return what these cells were run with, in words; what they did not use is left out.

        Args:
            cells: of one study.
        """
        scale = self.scale
        used = {"draws of intervals": str(scale.replicates)}
        if any("crops" in cell.content or "test" in cell.content for cell in cells):
            used["most crops to judge by"] = str(scale.test_crops or "all")
        networks = self.recipes.list_trained([*cells, *self._scorer_lessons])
        if not networks:
            return {"networks trained": "none", **used}
        changes = {
            "changes": (*scale.changes, *self.request.changes),
            "changes of leak": scale.leak_changes,
            "changes of networks that are explained": scale.explained_changes,
        }
        return {
            "networks": ", ".join(networks),
            **{name: " ".join(each) for name, each in changes.items() if each},
            "most crops to learn from": str(scale.train_crops or "all"),
            "seeds": str(scale.seeds),
            "device": self.request.device,
            **used,
        }
