"""A detector on disk and at work: its manifest, its networks, where it comes from, its card."""
