"""Where the network looked: saliency maps, and whether they can be trusted. Never proof."""

from unmask.explain.differentiable import Differentiable, Evidence
from unmask.explain.maps import Maps
from unmask.explain.methods import EXPLAINERS, TITLES, check_methods, explain
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
