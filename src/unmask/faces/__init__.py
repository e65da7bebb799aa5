"""Finding faces in frames, following them over time, cutting them out."""
