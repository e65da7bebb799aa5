"""What the user gave for studies: data, a detector, changes of recipes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from unmask.core.errors import InputError, ManifestError
from unmask.studies.scales import Scale
from unmask.system.parquet import column_names


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

    @cached_property
    def manifests(self) -> tuple[Path, ...]:
        """Those of the data that are manifests of videos.

        Raises:
            ManifestError: a file is no table.
        """
        return tuple(path for path in self.data if _is_manifest(path))

    @property
    def crops(self) -> tuple[Path, ...]:
        """Those of the data that are crops."""
        return tuple(path for path in self.data if path not in self.manifests)

    def check(self, scale: Scale) -> None:
        """Refuse what a scale cannot run on.

        Raises:
            InputError: the full scale without data.
            ManifestError: a file is no table.
        """
        if scale.name == "full" and not (*self.manifests, *self.crops):
            raise InputError(
                "the full scale runs on your data, and none was given",
                hint="give --data with crops or a manifest of videos, or take --scale quick",
            )

    def allow_invented(self, scale: Scale, what: str, give: str) -> None:
        """Refuse to invent material beside the user's own.

        Raises:
            ManifestError: the user gave data, or the scale is the full one.
        """
        if scale.name == "full" or self.data:
            raise ManifestError(
                f"this study needs {what}, and none were given", hint=f"give {give}"
            )


def _is_manifest(path: Path) -> bool:
    """Tell whether a file is a manifest of videos: a table without pictures."""
    if not path.is_file():
        return False
    hint = "give a crop store, a Parquet file of crops, or a manifest of videos"
    return "image" not in column_names(path, hint=hint)
