"""Networks and their export to a detector bundle (needs the `train` extra)."""
