"""Every exception that the library raises for bad input, as one tree.

    UnmaskError
    ├── InputError          the file or argument cannot be used
    │   ├── InputNotFound       no such file, or it may not be read
    │   ├── NotMedia            not a picture or a video, or without a picture stream
    │   ├── LimitExceeded       larger than the limits allow (checked before decoding)
    │   └── RecipeError         a training recipe names what there is not, or cannot be carried out
    ├── DecodeError         the file opened, but no picture could be decoded
    ├── ManifestError       a manifest, a crop or result store or a data folder cannot be used
    ├── BundleError         a detector bundle is damaged, incomplete or of another version
    ├── NoUserFolder        the user has no home folder for detectors of their own
    ├── DownloadError       a download failed or did not have the expected SHA-256
    ├── TrainingStopped     a training run cannot go on: its loss is no longer a number
    └── AnalysisCrashed     the process that analysed a file died

Each carries one line on what was wrong and a `hint` on the next step.
"""

from __future__ import annotations


class UnmaskError(Exception):
    """Base of all errors raised for bad input.

    Args:
        message: one line: what was wrong, the value got, what is allowed.
        hint: one line: the next step.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def kind(self) -> str:
        """Name of the exception, by which results tell kinds of failure apart."""
        return type(self).__name__

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the hint, so that worker processes can hand the error over."""
        return _rebuild, (type(self), self.message, self.hint)


def _rebuild(kind: type[UnmaskError], message: str, hint: str) -> UnmaskError:
    return kind(message, hint=hint)


class InputError(UnmaskError):
    """The file or argument cannot be used."""


class InputNotFound(InputError):
    """No such file, or it may not be read."""


class NotMedia(InputError):
    """Not a picture or a video, or without a picture stream."""


class LimitExceeded(InputError):
    """Larger than the limits allow; found before decoding."""


class RecipeError(InputError):
    """A training recipe names what there is not, or cannot be carried out with the data."""


class DecodeError(UnmaskError):
    """The file opened, but no picture could be decoded."""


class ManifestError(UnmaskError):
    """A manifest, a crop store, a result store or a folder of data cannot be used."""


class BundleError(UnmaskError):
    """A detector bundle is damaged, incomplete or of another version."""


class NoUserFolder(UnmaskError):
    """The user has no home folder for detectors of their own."""


class DownloadError(UnmaskError):
    """A download failed or did not have the expected SHA-256."""


class TrainingStopped(UnmaskError):
    """A training run cannot go on: its loss is no longer a number."""


class AnalysisCrashed(UnmaskError):
    """The process that analysed a file died."""

    killed: bool = False
    """Whether something outside ended it, as the system does where memory runs out."""
