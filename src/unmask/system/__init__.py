"""Files, processes, clocks and libraries: what the program has to do with its machine."""
