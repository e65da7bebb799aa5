"""Where the network looked: saliency maps, and whether they can be trusted. Never proof."""

from typing import TYPE_CHECKING, Any

from unmask.explain.differentiable import Differentiable, Evidence
from unmask.explain.maps import Maps
from unmask.explain.methods import EXPLAINERS, TITLES, check_methods, explain

if TYPE_CHECKING:
    from unmask.explain.network import BundleNetwork

__all__ = [
    "EXPLAINERS",
    "TITLES",
    "BundleNetwork",
    "Differentiable",
    "Evidence",
    "Maps",
    "check_methods",
    "explain",
]


def __getattr__(name: str) -> Any:
    """Load what runs a detector when it is used: reports need the names of methods alone."""
    if name == "BundleNetwork":
        from unmask.explain.network import BundleNetwork

        return BundleNetwork
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
