"""Face crops on disk: cut from the videos of a data set, stored, read back, looked at."""
