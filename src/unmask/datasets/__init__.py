"""Data sets on disk: manifests, layouts, splits, leak audit, face crops."""
