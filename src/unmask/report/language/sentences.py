"""The English sentences that a result or an error of a scan may hold, for the catalogues.

A result is written in English and shown in the reader's language (`sentence`). Each
place in braces stands for any text; what is found there is looked up in turn, so that a sentence
within a sentence is translated too.
"""

from __future__ import annotations

import re
from functools import cache

from unmask.report.language.translation import N_, language, local_number

_VERDICT = (
    N_("this detector was never evaluated, so its scores say nothing"),
    N_("this detector cannot be told from chance ({figure}), so its scores say nothing"),
    N_("unlike the calibration data ({beyond})"),
    N_("{used} usable key frame of {all}, at least {needed} needed"),
    N_("{used} usable key frames of {all}, at least {needed} needed"),
    N_("{used} usable key frame of {all}, at least {needed} needed; {why} in {count}"),
    N_("{used} usable key frames of {all}, at least {needed} needed; {why} in {count}"),
    N_("one picture only: error rates of single pictures are higher"),
    N_("two pictures only: error rates of single pictures are higher"),
    N_("{used} usable key frames for a clip of {frames}: the last was repeated"),
    N_("no face could be judged: {reason}"),
    N_("face too small"),
    N_("face too small ({size} px, {needed} needed)"),
    N_("face too blurred"),
    N_("face too blurred (sharpness {sharpness}, {needed} needed)"),
    N_("head turned away"),
    N_("head turned away (turn {turned}, at most {most})"),
    N_("face size, px: {value}, calibrated on {low} to {high}"),
    N_("sharpness: {value}, calibrated on {low} to {high}"),
    N_("no support for either"),
    N_("weak support for fake"),
    N_("moderate support for fake"),
    N_("moderately strong support for fake"),
    N_("strong support for fake"),
    N_("very strong support for fake"),
    N_("extremely strong support for fake"),
    N_("weak support for real"),
    N_("moderate support for real"),
    N_("moderately strong support for real"),
    N_("strong support for real"),
    N_("very strong support for real"),
    N_("extremely strong support for real"),
)

_METHODS = (
    N_("talking head"),
    N_("diffusion"),
    N_("lip-sync"),
    N_("generated faces"),
)

_WARNINGS = (
    N_("the film with the boxes could not be written: {why}"),
    N_(
        "face {face} is poorer than what the detector was calibrated on ({beyond}): its "
        "probability may be far off, and nothing more is said of it"
    ),
    N_(
        "triage: {count} frames were looked at; a scan without --triage may find what the others "
        "show"
    ),
    N_(
        "no likelihood ratio or conformal answer is given: the detector's are for {level}s, not "
        "for a single picture"
    ),
    N_(
        "no likelihood ratio or conformal answer is given: the detector's are for the aggregation "
        "{aggregation}, a scan takes the mean"
    ),
    N_("HDR video ({kind}): frames were tone-mapped; the detector knows standard video only"),
    N_(
        "faces under {seen} px may be unseen, and from {judged} px they could be judged: seek "
        "them with --detect-long-side-px {side}"
    ),
    N_("a verdict rests on fewer than {count} key frames"),
)

_MAPS = (
    N_("how faithful these maps are was not measured for this detector"),
    N_(
        "do not rely on these maps: for this detector they look alike when nothing of its "
        "training is left (rank correlation {value})"
    ),
    N_(
        "for this detector the score follows these maps better than a blob in the middle or a "
        "random map (gain {gain}, 95 % {low} to {high})"
    ),
    N_(
        "for this detector the score follows these maps no better than a blob in the middle or a "
        "random map (gain {gain}, 95 % {low} to {high})"
    ),
    N_("a value is not finite"),
    N_("nothing in this picture raises the score"),
    N_("the map is the same everywhere"),
    N_("eyes {share}"),
    N_("nose {share}"),
    N_("mouth {share}"),
    N_("forehead {share}"),
    N_("cheeks and chin {share}"),
    N_("face border {share}"),
    N_("background {share}"),
)

_COVERAGE = (
    N_("{count} faces over the limit of {most} per video"),
    N_("face {face}: {reason}"),
    N_("face {face}, {span} s: {reason}"),
    N_("no face was found"),
    N_("no face was found in {count} sampled frames"),
    N_("no clear face was found in {count} sampled frames"),
    N_("no face was found in {count} sampled undamaged frames"),
    N_("no clear face was found in {count} sampled undamaged frames"),
    N_("{span} s, {size} px: the face detector's confidence is {confidence} at most"),
    N_("all {count} frames are damaged"),
    N_("all but the {count} frames that a triage looked at"),
    N_("{count} frames that could not be decoded"),
    N_("{count} transport packets are damaged"),
    N_("it ends within a transport packet"),
    N_("its end mark is missing"),
    N_("its last page is missing"),
    N_("{missing} bytes of {promised} are missing"),
    N_("fragment {number} is missing"),
    N_("a fragment without its table"),
    N_("a box of the fragments has {length} bytes"),
    N_("the table of a fragment is damaged: boxes in boxes without end"),
    N_("the table of a fragment is damaged at byte {place}"),
    N_("its structure is damaged at byte {place}"),
    N_("it ends within an element of {length} bytes"),
    N_("decoding stopped at {seconds} s: {reason}"),
    N_("{missing} of {listed} frames that the file lists are not in it"),
    N_("{count} packets that no frame came of"),
    N_("{count} frames have the time stamp of another: the table of times is damaged"),
    N_(
        "at least {count} frames that follow the last one shown: an edit list hides more than a "
        "trimmed end"
    ),
    N_("the clock jumps by {length} s after {before} s: that is no recorded time"),
    N_("the beginning: the first {count} frames refer to what lies before the first key frame"),
    N_(
        "the first {seconds} s: the stream begins without a key frame, and nothing can be shown "
        "before the next"
    ),
    N_("{count} damaged packets skipped"),
    N_("{count} damaged packets skipped ({why})"),
    N_("{damaged} of {count} frames are damaged, or refer to damaged ones"),
    N_("{damaged} of {count} frames are damaged, or refer to damaged ones ({why})"),
    N_("FFmpeg speaks of damage"),
    N_("FFmpeg speaks of damage ({why})"),
    N_("what lies behind the limit of {seconds} s"),
    N_(
        "the last {missing} s of the {promised} s that the header promises: not in the file or "
        "not decodable"
    ),
    N_("a part of the file is missing or damaged: {what}"),
    N_("about {count} frame missing in an otherwise regular clock, after {places}"),
    N_("about {count} frames missing in an otherwise regular clock, after {places}"),
    N_("{places} and {count} more places"),
    N_("damaged rows: {rows}"),
    N_("{missing} of {count} rows missing"),
    N_("{missing} of {count} rows missing in frame {number} of the animation"),
    N_("{missing} of {count} frames of the animation are missing"),
    N_("what follows the first picture in the file: it is damaged, or too much to count"),
    N_("all but the first of {count} pictures in the file"),
    N_("{count} other video stream"),
    N_("{count} other video streams"),
)

_ERRORS = (
    N_("cannot open {path}: {reason}"),
    N_("cannot read {path}: {reason}"),
    N_("No such file or directory"),
    N_("Permission denied"),
    N_("{path} is not a regular file"),
    N_("{path} is empty"),
    N_("{path} has {size} bytes; at most {most} allowed"),
    N_("{path} is a picture in {parts} tiles, which cannot be put together"),
    N_("{path} is a picture in more than {most} tiles, which cannot be put together"),
    N_("{path} has {count} streams; at most {most} allowed"),
    N_("{path} has more than {most} streams, or asks for more memory than there is"),
    N_("{path} has no picture stream that can be decoded (streams: {kinds})"),
    N_(
        "{path} holds no headers of its {codec} pictures, without which none can be shown: it "
        "was cut from a longer recording"
    ),
    N_("{path} claims no picture size, or more than {most} pixels"),
    N_("{path} is not a readable video: {why}"),
    N_("{path} has {size} pixels; at most {most} a side are allowed"),
    N_("{path} has {size} pixels; at most {most} allowed"),
    N_("{path} is too large a picture: {why}"),
    N_("{path} is no picture that can be read"),
    N_("{path} cannot be decoded: {why}"),
    N_("no picture of {path} could be decoded: {why}"),
    N_("none of {count} frames of {path} could be decoded"),
    N_("{count} frames of {path} were not found again"),
    N_("frame {number} of {path} was not found again"),
    N_("it holds no frame"),
    N_("{path} could not be analysed: it needs more memory than it may have"),
    N_("{path} could not be analysed: {why}"),
    N_("{path} was not analysed: no progress for {seconds} s"),
    N_("{path} was not analysed: no progress for {seconds} s (stage: {stage})"),
    N_("{path} was not analysed: it took longer than {seconds} s"),
    N_("{path} was not analysed: it took longer than {seconds} s (stage: {stage})"),
    N_("{path} was not analysed: it took more CPU time than a film of its length"),
    N_("{path} was not analysed: it took more CPU time than a film of its length (stage: {stage})"),
    N_("{path}: the process that analysed it was killed, probably for lack of memory"),
    N_(
        "{path}: the process that analysed it was killed, probably for lack of memory "
        "(stage: {stage})"
    ),
    N_("{path}: the process that analysed it died: {why}"),
    N_("{path} was not analysed: the run was stopped"),
    N_("{path} was not scanned in full: the run was stopped"),
)

_HINTS = (
    N_("check the path"),
    N_("check the file's permissions"),
    N_("download it first; only local files are read"),
    N_("give one media file"),
    N_("get a complete copy"),
    N_("get an undamaged copy"),
    N_("cut the video into parts"),
    N_("cut it into parts, and keep the original"),
    N_("cut it again from an earlier start, or encode the part again"),
    N_("make a smaller copy of it, and keep the original"),
    N_("save it again without its metadata, and keep the original"),
    N_("copy the picture stream into a file of its own"),
    N_("do not change the file while it is read"),
    N_("give a video or picture file, such as MP4, MOV, MKV, WebM, AVI, GIF, JPEG or PNG"),
    N_("it begins as an MP4 whose index is missing or damaged: get a complete copy"),
    N_("please report this with the file's container and codec"),
    N_("scan it again"),
    N_("the file is damaged or made to do this; other files were not touched"),
    N_("the file is damaged or made to do this, or memory ran out; other files were not touched"),
    N_("raise --timeout-seconds, or look at its beginning only with --max-seconds"),
    N_("give it a time with --timeout-seconds, or look at its beginning with --max-seconds"),
    N_("scan it again with fewer --workers; other files were not touched"),
)

_SERVICE = (
    N_("This is no video or picture of a known kind. Send the original file, not a link."),
    N_("The file is larger than {limit} MiB."),
    N_("There is no file in the form, in a field called file."),
    N_("The body ends early."),
    N_("There is no room for this file now. Try again later."),
    N_("There is no room for this file now. Delete old scans."),
    N_("{count} scans are waiting, more are not accepted now. Try again later."),
    N_("{count} scans of this key are waiting or running, which is its limit."),
    N_("This key has started {count} scans today, which is its limit."),
    N_("There is no such scan. It may have been deleted."),
    N_("There is no such upload. It may have ended or expired."),
    N_("Both scans must be finished to be compared."),
    N_("Another request is sending a part of this upload."),
    N_("The scan was begun {count} times, and each time its process ended."),
    N_("{error} (tried {count} times)"),
    N_("The service failed: {error}."),
)

SENTENCES: tuple[str, ...] = (
    *_VERDICT,
    *_METHODS,
    *_WARNINGS,
    *_MAPS,
    *_COVERAGE,
    *_ERRORS,
    *_HINTS,
    *_SERVICE,
)
"""All of them."""

_DEPTH = 3
"""How deep sentences within sentences are looked for."""


def sentence(english: str) -> str:
    """Put an English sentence of a result into the language in force.

    Sentences within it, and several joined by semicolons, are translated too. One that the
    catalogue does not know stays English: better so than lost.
    """
    if language().code == "en":
        return english
    return _sentence(english, _DEPTH)


def _sentence(english: str, depth: int) -> str:
    translated = language().catalogue.gettext(english) if english else ""
    if translated != english or not english or depth == 0:
        return translated
    for pattern, template in _patterns():
        if match := pattern.fullmatch(english):
            inner = {name: _local(value, depth - 1) for name, value in match.groupdict().items()}
            return language().catalogue.gettext(template).format(**inner)
    parts = english.split("; ")
    return english if len(parts) == 1 else "; ".join(_sentence(each, depth - 1) for each in parts)


_DECIMALS = re.compile(r"\d[\d,]*\.\d+(?:-\d[\d,]*\.\d+)?")
"""A number with decimals, or a span of two, and nothing else: no name or version of a program."""


def _local(value: str, depth: int) -> str:
    """Put what fills a sentence into the language in force."""
    return local_number(value) if _DECIMALS.fullmatch(value) else _sentence(value, depth)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return a pattern for each sentence with places to fill, the most particular first."""
    result = [(_pattern(text), text) for text in SENTENCES if "{" in text]
    return tuple(sorted(result, key=lambda each: -len(re.sub(r"\{\w+\}", "", each[1]))))


def _pattern(text: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", text)
    return re.compile(
        "".join(
            re.escape(piece) if place % 2 == 0 else f"(?P<{piece}>.+?)"
            for place, piece in enumerate(pieces)
        ),
        re.DOTALL,
    )
