"""Where the network looked: saliency maps from what a detector returns. Never proof."""

from unmask.explain.gradcam import gradcam

__all__ = ["gradcam"]
