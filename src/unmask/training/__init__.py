"""Training a detector: material, augmentation, self-blending, the loop (extra `train`)."""
