"""The exception tree, and that errors survive the way out of a worker process."""

import pickle

import pytest

from unmask.core import errors
from unmask.core.errors import UnmaskError

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, UnmaskError)
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", KINDS)
def test_pickling_keeps_type_message_and_hint(kind: type[UnmaskError], protocol: int) -> None:
    error = kind("it is broken: 'a.mp4'", hint="take another")
    copy = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - written a line above
    assert type(copy) is kind
    assert (copy.message, copy.hint) == (error.message, error.hint)
    assert str(copy) == error.message
    assert copy.args == error.args


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_in_the_tree(kind: type[UnmaskError]) -> None:
    assert f" {kind.__name__} " in f" {errors.__doc__} ".replace("\n", " ")


@pytest.mark.parametrize("kind", KINDS)
def test_no_error_comes_without_a_hint(kind: type[UnmaskError]) -> None:
    with pytest.raises(TypeError, match="hint"):
        kind("it is broken")  # type: ignore[call-arg]  # what is refused
