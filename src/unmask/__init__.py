"""Find out which faces in a video are deepfakes, why, and how sure that is.

>>> from unmask.scan import Scanner            # doctest: +SKIP
>>> Scanner().scan("talk.mp4").result.verdict  # doctest: +SKIP
"""

from unmask.quiet import stop_telemetry

# the one thing done at import: a library that is loaded before it has sent something already
stop_telemetry()
