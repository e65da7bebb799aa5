"""The films of studies: the user's or invented ones, opened once and noted; their frames."""

from __future__ import annotations

from functools import cached_property

import pyarrow as pa

from unmask.core.errors import ManifestError
from unmask.studies.cells import CellMaker
from unmask.studies.films import Film, Films, part_films, read_films
from unmask.studies.frame_crops import Cutting, frames_cell
from unmask.studies.provenance import Provenance
from unmask.studies.request import StudyRequest
from unmask.studies.scales import Scale
from unmask.studies.synthetic import LICENCE, films_cell

FilmSides = tuple[tuple[Film, ...], tuple[Film, ...], tuple[Film, ...]]


class FilmMaterial:
    """Videos to learn from and to judge by.

    Args:
        scale: how many.
        request: what the user gave.
        maker: of invented films, and of frames.
        provenance: where to note what is opened.
    """

    def __init__(
        self, scale: Scale, request: StudyRequest, maker: CellMaker, provenance: Provenance
    ) -> None:
        self._scale, self._request = scale, request
        self._maker, self._provenance = maker, provenance

    @cached_property
    def films(self) -> Films:
        """All of them."""
        films = self._read() if self._request.manifests else self._invent()
        leak = films.leak if films.side("test") else None
        self._provenance.note("films", films.described, leak=leak)
        return films

    def _read(self) -> Films:
        path, root = self._request.manifests[0], self._request.root
        return read_films(path, root=root, limit=self._scale.films)

    def _invent(self) -> Films:
        give = "a manifest that `unmask data index` wrote"
        self._request.allow_invented(self._scale, "videos", give)
        cell, title = films_cell(self._scale.toy_films), "invented films"
        rows = self._maker.make(cell, title).table.to_pylist()
        folder = self._maker.cache.kept(cell)
        films = tuple(Film(path=folder / row["id"], **row) for row in rows)
        return Films(title, LICENCE, films)

    @cached_property
    def sides(self) -> FilmSides:
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

    def frames(self, film: Film, cutting: Cutting) -> pa.Table | None:
        """Return a film's frames, cut now if they are not in the cache; None where that fails."""
        cell = frames_cell({"film": film.id}, film, cutting)
        return self._maker.cache.read(cell).table if self._maker.try_to_make(cell) else None
