"""Finding faces in pictures: the detector protocol, the detectors, and their model files.

First station after decoding: pictures in, `Face` values out. Tracks over time are built on top.
"""
