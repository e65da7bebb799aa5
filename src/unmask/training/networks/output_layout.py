"""Which output of a classifier is `fake`, and what its numbers are: from its outputs to one logit.

A softmax over classes depends on differences only, so the log odds of one class against all others
are its output less the logarithm of the sum of the others' exponentials; with two classes that is
the plain difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmask.core.errors import InputError

Scale = Literal["logits", "probabilities"]
Label = Literal["fake", "real"]
SMALLEST = 1e-7
"""Probabilities are kept this far from 0 and 1: float32 has no more digits, and a logit no end."""


@dataclass(frozen=True)
class OutputLayout:
    """How the outputs of a classifier speak of a face."""

    classes: int
    """How many outputs there are."""
    fake: int | None = None
    """Number of the class that is fake, from 0; None: the second of two, or what `single` says."""
    scale: Scale = "logits"
    """What the outputs are: before a softmax (or sigmoid), or behind it."""
    single: Label = "fake"
    """What a high value of a single output speaks for."""

    def __post_init__(self) -> None:
        """Check that it says which class is fake."""
        if self.classes < 1:
            raise InputError("a classifier needs an output", hint="give another file")
        if self.fake is None and self.classes > 2:
            raise InputError(
                f"the classifier has {self.classes} outputs, and which is fake is not known",
                hint=f"give --fake with a number from 0 to {self.classes - 1}",
            )
        if self.fake is not None and not 0 <= self.fake < self.classes:
            raise InputError(
                f"there is no class {self.fake}: the classifier has {self.classes} outputs",
                hint=f"give --fake with a number from 0 to {self.classes - 1}",
            )

    @property
    def fake_class(self) -> int:
        """Number of the class that is fake."""
        return self.fake if self.fake is not None else self.classes - 1

    @property
    def others(self) -> list[int]:
        """Numbers of the classes that are not."""
        return [number for number in range(self.classes) if number != self.fake_class]

    @property
    def described(self) -> str:
        """In words."""
        if self.classes == 1:
            return f"its one output ({self.scale}) speaks for {self.single}"
        return f"output {self.fake_class} of {self.classes} ({self.scale}) is fake"

    def logit(self, outputs: Tensor) -> Tensor:
        """Return the logit of P(fake), `(N,)`, for outputs `(N, classes)`."""
        if self.scale == "probabilities":
            share = outputs[:, self.fake_class].clamp(SMALLEST, 1 - SMALLEST)
            value = share.log() - (1 - share).log()
        elif self.classes == 1:
            value = outputs[:, 0]
        else:
            value = outputs[:, self.fake_class] - outputs[:, self.others].logsumexp(dim=1)
        return -value if self.classes == 1 and self.single == "real" else value

    def logit_of_array(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the same for an array."""
        return self.logit(torch.from_numpy(outputs)).numpy()
