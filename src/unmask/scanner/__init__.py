"""One file from end to end: face tracks, key frames, scores, verdict; and many files."""
