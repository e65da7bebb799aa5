"""The crops of studies: the user's or invented ones, each opened once and noted."""

from __future__ import annotations

from functools import cached_property

from unmask.studies.cells import CellMaker
from unmask.studies.crop_set import SIDES, Material, Sides, choose_sides, read_material
from unmask.studies.provenance import Provenance
from unmask.studies.request import StudyRequest
from unmask.studies.scales import Scale
from unmask.studies.synthetic import LICENCE, ToyCrops, ToyPersons, crops_cell


class CropMaterial:
    """Crops to learn from, to choose by and to judge by.

    Args:
        scale: how many.
        request: what the user gave.
        maker: of invented crops.
        provenance: where to note what is opened.
    """

    def __init__(
        self, scale: Scale, request: StudyRequest, maker: CellMaker, provenance: Provenance
    ) -> None:
        self._scale, self._request = scale, request
        self._maker, self._provenance = maker, provenance

    @cached_property
    def sides(self) -> Sides:
        """Crops to train with, on their sides and of the scale's size.

        Raises:
            ManifestError: the data hold no crops.
        """
        sides = self.whole_sides
        return Sides(
            sides.training.at_most(self._scale.train_crops),
            sides.validation.at_most(self._scale.test_crops),
            sides.test.at_most(self._scale.test_crops),
            sides.leak,
        )

    @cached_property
    def whole_sides(self) -> Sides:
        """The same, with all crops to learn from."""
        test = read_material(self._request.test) if self._request.test else None
        sides = choose_sides(self._whole, test=test)
        parts = zip(SIDES, (sides.training, sides.validation, sides.test), strict=True)
        lines = (f"{side} side of {part.described}" for side, part in parts)
        self._provenance.note("crops", *lines, leak=sides.leak)
        return sides

    @cached_property
    def _whole(self) -> Material:
        if self._request.crops:
            return read_material(self._request.crops)
        self._allow_invented("crops", "a crop store or a Parquet file of crops")
        return self._invent(self._scale.toy_crops, "invented faces, four ways to forge")

    @cached_property
    def data_sets(self) -> dict[str, Sides]:
        """Each data set on its sides, by name: those given one by one, or two invented ones."""
        if self._request.crops:
            sets = {path.name: choose_sides(read_material([path])) for path in self._request.crops}
        else:
            self._allow_invented("crops", "several crop stores or files of crops")
            other = self._invent(self._scale.toy_other, "other invented faces, fainter, compressed")
            sets = {"first": self.sides, "second": choose_sides(other)}
        for sides in sets.values():
            self._provenance.note("crops", leak=sides.leak)
        return sets

    @cached_property
    def persons(self) -> Material:
        """Crops whose labels hang on persons, or the user's where they name persons."""
        if self._request.crops:
            persons = self._whole.at_most(self._scale.train_crops)
        else:
            self._allow_invented("crops", "a crop store whose rows name persons")
            title = "invented persons, mostly forged or mostly real"
            persons = self._invent(self._scale.toy_persons, title)
        self._provenance.note("persons", persons.described)
        return persons

    def _invent(self, settings: ToyCrops | ToyPersons, title: str) -> Material:
        """Return invented crops, made now if they are not in the cache."""
        cell = crops_cell(settings)
        return Material(title, cell.key, LICENCE, self._maker.make(cell, title).table)

    def _allow_invented(self, what: str, give: str) -> None:
        self._request.allow_invented(self._scale, what, give)
