"""What `unmask explain` does: maps of every key frame or crop as files, and the film."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import typer

from unmask.bundle.devices import Device
from unmask.bundle.manifest import Bundle, load_bundle, shipped_folder
from unmask.bundle.runtime import preprocess
from unmask.cli.inputs import expand, refuse_overwriting, require_suffix
from unmask.cli.messages import complain
from unmask.cli.progress import progress_bar
from unmask.core.errors import InputError, UnmaskError
from unmask.core.scan import KeyFramePicture, SaliencyMap
from unmask.core.settings import Limits, ScanSettings
from unmask.core.text import visible
from unmask.explain import EXPLAINERS, BundleNetwork, check_methods, explain
from unmask.explain.agreement import mean_agreement
from unmask.explain.methods import OF_TRANSFORMERS
from unmask.explain.network import available_methods, check_bundle_methods, missing_output
from unmask.faces.squares import cut_square
from unmask.report.film import FilmStyle, draw_film
from unmask.report.language.translation import _
from unmask.report.overlays import write_maps
from unmask.report.wording import map_words
from unmask.scanner.batch import attempt
from unmask.scanner.passes import Progress
from unmask.scanner.scanner import Scanner
from unmask.system.files import no_room
from unmask.video import probe
from unmask.video.still import pixels_as_shown

FILM_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
"""Of films: containers that hold H.264 with a time stamp for each picture."""
_NAME_BYTES = 180
"""Most of an input's name in the names of its maps; file systems take 255 in all."""


@dataclass(frozen=True)
class ExplainRequest:
    """What is to be explained, how, and where it goes."""

    methods: tuple[str, ...] | None
    """Methods, the first for the film; None for all that the detector can be explained with."""
    output: Path | None
    """Folder for NPZ and PNG."""
    video: Path | None
    """File of the film."""
    crop: bool
    """Whether inputs are face crops."""
    detector: Path | None
    """Folder of a bundle; None for the shipped one."""
    budget: int
    """Most key frames of a face."""
    seed: int
    """Of whatever is random."""
    threads: int
    """Of the networks."""
    device: Device
    """What they run on."""

    def check(self, paths: list[str]) -> None:
        """Refuse what cannot be done before any file is opened.

        Raises:
            ValueError: there is nowhere to write, or things exclude each other.
            InputError: maps or film cannot be written, or would replace an input.
        """
        if self.output is None and self.video is None:
            raise ValueError("nowhere to write: give -o FOLDER for maps, or --video FILE.mp4")
        if self.output is not None and self.output.is_file():
            raise InputError(f"{str(self.output)!r} is a file", hint="name a folder for the maps")
        if self.video is None:
            return
        if self.crop or len(paths) != 1:
            raise ValueError(
                f"--video takes one video, got {len(paths)} inputs (crop: {self.crop})"
            )
        if not self.video.absolute().parent.is_dir() or self.video.is_dir():
            raise InputError(
                f"{str(self.video)!r} cannot be written", hint="name a file in a folder that exists"
            )
        require_suffix(self.video, FILM_SUFFIXES, what="film")
        refuse_overwriting([self.video], [Path(path) for path in paths])


def run_explain(inputs: list[str], request: ExplainRequest) -> int:
    """Explain everything, print a line per map, and return the exit code."""
    paths = expand(inputs)
    request.check(paths)
    bundle = load_bundle(request.detector or shipped_folder())
    methods = chosen_methods(bundle, request.methods)
    worker = _Crops(bundle, request, methods) if request.crop else _Scans(request, methods)
    names = map_names(paths)
    errors: list[UnmaskError] = []
    maps = 0
    with progress_bar(len(paths)) as bar:
        for path in paths:
            explained = partial(worker.pictures, path, bar.of_file)
            pictures = attempt(
                path, partial(_write_explained, explained, path, request.output, names[path])
            )
            bar.file_done(path)
            if isinstance(pictures, UnmaskError):
                errors.append(pictures)
                complain(pictures)
                continue
            maps += len(pictures)
            for picture in pictures:
                _tell(path, picture)
            if not pictures:
                none = _("no face was found (see --crop)")
                typer.echo(f"{visible(path)}\t{none}")
    if errors and not maps and all(isinstance(error, InputError) for error in errors):
        return 2
    return 3 if errors or not maps else 0


def _write_explained(
    explained: Callable[[], tuple[KeyFramePicture, ...]], path: str, folder: Path | None, name: str
) -> tuple[KeyFramePicture, ...]:
    """Explain a file and write its maps, if there is a folder for them.

    Raises:
        UnmaskError: the maps cannot be written.
    """
    pictures = explained()
    if folder is None:
        return pictures
    try:
        for picture in pictures:
            place = f"face{picture.track_id}-frame{picture.frame_index}"
            write_maps(folder, f"{name}-{place}", picture)
    except OSError as error:
        raise UnmaskError(
            f"the maps of {path!r} could not be written: {error}",
            hint="give -o a folder that has room and may be written to",
        ) from error
    return pictures


def map_names(paths: Sequence[str]) -> dict[str, str]:
    """Return what the names of each file's maps start with, no two the same on any file system.

    The file's name without its suffix; where several files have that, the name with the suffix,
    then with the folder before it, then with a number behind it. Long names are cut, since what
    comes behind has to fit in too.

    >>> map_names(["a/p.jpg", "b/p.png", "b/q.png"])
    {'a/p.jpg': 'p.jpg', 'b/p.png': 'p.png', 'b/q.png': 'q'}
    """
    stems = Counter(Path(path).stem.casefold() for path in paths)
    full = Counter(Path(path).name.casefold() for path in paths)
    names: dict[str, str] = {}
    taken: set[str] = set()
    for path in paths:
        names[path] = next(n for n in _candidates(path, stems, full) if n.casefold() not in taken)
        taken.add(names[path].casefold())
    return names


def _candidates(path: str, stems: Counter[str], full: Counter[str]) -> Iterator[str]:
    """Yield names for the maps of a file, the shortest first."""
    file = Path(path)
    if stems[file.stem.casefold()] == 1:
        yield _shorten(file.stem)
    if full[file.name.casefold()] == 1:
        yield _shorten(file.name)
    longest = _shorten(f"{file.absolute().parent.name}-{file.name}")
    yield longest
    for number in count(2):
        yield f"{longest}-{number}"


def _shorten(name: str) -> str:
    """Leave out whole characters at the end of a name that is too long."""
    while len(os.fsencode(name)) > _NAME_BYTES:
        name = name[:-1]
    return name


def chosen_methods(bundle: Bundle, named: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the methods to explain with, and say on standard error which `all` leaves out.

    Raises:
        ValueError: none was named, or one that does not exist.
        BundleError: one was named that the detector cannot be explained with.
    """
    if named is not None:
        if not named:
            raise ValueError(f"no method was named; there are: {', '.join(EXPLAINERS)}")
        return check_bundle_methods(bundle, check_methods(named))
    able = available_methods(bundle)
    for name in EXPLAINERS:
        lacks = missing_output(bundle, name)
        if lacks is not None and name not in OF_TRANSFORMERS:
            reason = f"the detector {bundle.manifest.name!r} does not give {lacks}"
            sys.stderr.write(f"note: {name} is left out: {reason}\n")
    return able


class _Scans:
    """Explains the key frames of videos and pictures."""

    def __init__(self, request: ExplainRequest, methods: tuple[str, ...]) -> None:
        self._wanted = request
        settings = ScanSettings(
            explain=methods,
            budget=request.budget,
            seed=request.seed,
            quick=request.video is None,  # the film shows every frame
        )
        self._scanner = Scanner(
            request.detector, settings=settings, threads=request.threads, device=request.device
        )

    def pictures(self, path: str, progress: Progress) -> tuple[KeyFramePicture, ...]:
        """Return the maps of a file; write the film where it was asked for."""
        settings, target = self._scanner.settings, self._wanted.video
        first = self._scanner.first_pass(path, progress)
        if target is not None and first.info.kind == "image":
            raise InputError(
                f"{path!r} is a still picture: there is no film of it",
                hint="use -o FOLDER for its maps",
            )
        scan = self._scanner.scan_first(first, progress)
        if target is not None:
            spec = self._scanner.bundle.manifest.preprocessing
            style = FilmStyle(settings.explain[0], spec)
            limits = settings.limits
            try:
                film = draw_film(first, scan, target, style=style, limits=limits, progress=progress)
            except OSError as error:
                if no_room(error) is None:
                    raise
                raise UnmaskError(
                    f"{str(target)!r} could not be written: {error.strerror}",
                    hint="make room or name another place",
                ) from error
            if film.silent is not None:
                sys.stderr.write(f"note: the sound is left out: {visible(film.silent)}\n")
        return scan.pictures


class _Crops:
    """Explains pictures that are face crops already."""

    def __init__(self, bundle: Bundle, request: ExplainRequest, methods: tuple[str, ...]) -> None:
        self._methods, self._seed = methods, request.seed
        self._spec = bundle.manifest.preprocessing
        self._model = BundleNetwork(bundle, threads=request.threads, device=request.device)

    def pictures(self, path: str, progress: Progress) -> tuple[KeyFramePicture, ...]:
        """Return the maps of one crop."""
        limits = Limits()
        info = probe(path, limits=limits)
        if info.kind != "image":
            raise InputError(
                f"{path!r} is read as a video ({info.codec}), not as a picture of a face",
                hint="leave out --crop, or give a JPEG or PNG of the face",
            )
        pixels = pixels_as_shown(path, limits=limits)
        height, width = pixels.shape[:2]
        whole = (0.0, 0.0, float(width), float(height))
        crop = cut_square(pixels, whole, size_px=self._spec.size_px)
        image = preprocess(crop[None], self._spec)
        result = explain(self._model, image, self._methods, seed=self._seed)
        maps = tuple(
            SaliencyMap(name, m.scaled[0], m.raw[0], m.empty[0], None) for name, m in result.items()
        )
        progress("crop", 1.0)
        agreement = mean_agreement([np.asarray(m.values) for m in maps])
        return (KeyFramePicture(1, 0, crop, maps, agreement),)


def _tell(path: str, picture: KeyFramePicture) -> None:
    """Print a line for each map of a key frame."""
    for each in picture.maps:
        face = _("face {face}", face=picture.track_id)
        frame = _("frame {number}", number=picture.frame_index)
        columns = (path, face, frame, each.method, map_words(each, picture.view))
        typer.echo("\t".join(map(visible, columns)))
