"""Training a detector: material, augmentation, self-blending, the loop (needs the `train` extra)."""
