"""Find out which faces in a video are deepfakes, why, and how sure that is.

>>> from unmask.scan import Scanner            # doctest: +SKIP
>>> Scanner().scan("talk.mp4").result.verdict  # doctest: +SKIP
"""
