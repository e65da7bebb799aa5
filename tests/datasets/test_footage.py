"""Invented footage: found by the detector, told apart, forged exactly where the mask says."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from unmask.datasets.synth.footage import (
    METHODS,
    forge,
    talk,
    write_frames,
    write_mask_video,
    write_video,
)
from unmask.faces.mtcnn import MtcnnDetector


@pytest.fixture(scope="module")
def detector():
    return MtcnnDetector(threads=1)


@pytest.fixture(scope="module")
def clip():
    return talk(0, seconds=1.0)


def perceptual_hash(frame):
    """64 signs of the lowest frequencies, as in the usual pHash."""
    grey = Image.fromarray(frame).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    low = dctn(np.asarray(grey, float), norm="ortho")[:8, :8].ravel()[1:]
    return low > np.median(low)


@pytest.mark.parametrize("person", range(12))
def test_one_face_is_found_in_every_person(detector, person):
    frames = talk(person, seconds=0.4, take=1)
    assert [len(detector.detect(frame)) for frame in frames[::5]] == [1, 1]


def test_footage_has_the_shape_asked_for():
    frames = talk(3, seconds=0.5, fps=30, size=(160, 120))
    assert frames.shape == (15, 120, 160, 3)
    assert frames.dtype == np.uint8


def test_the_same_arguments_give_the_same_frames(clip):
    assert np.array_equal(clip, talk(0, seconds=1.0))


def test_the_head_moves_and_the_mouth_opens(detector, clip):
    noses = np.array([detector.detect(frame)[0].landmarks[2] for frame in clip[::6]])
    assert np.ptp(noses, axis=0).max() > 2
    still = np.abs(clip[1].astype(int) - clip[0]).mean()
    assert np.abs(clip[12].astype(int) - clip[0]).mean() > 1.2 * still


def test_persons_and_takes_differ_for_a_perceptual_hash(clip):
    firsts = [talk(person, take=take, seconds=0.04)[0] for person in range(12) for take in (0, 1)]
    hashes = np.array([perceptual_hash(frame) for frame in firsts])
    distances = (hashes[:, None] != hashes[None]).sum(-1)[np.triu_indices(len(hashes), 1)]
    assert distances.min() > 10
    within = [(perceptual_hash(frame) != perceptual_hash(clip[0])).sum() for frame in clip[::6]]
    assert max(within) < distances.min()


@pytest.mark.parametrize("method", METHODS)
def test_a_forgery_differs_from_its_target_only_under_the_mask(clip, method):
    before = clip.copy()
    frames, masks = forge(clip, 4, method=method)
    assert np.array_equal(clip, before)
    assert frames.shape == clip.shape
    assert masks.shape == clip.shape[:3]
    assert np.array_equal(frames[masks == 0], clip[masks == 0])
    assert np.abs(frames[masks > 250].astype(int) - clip[masks > 250]).mean() > 4
    assert all(0.003 < (mask > 127).mean() < 0.3 for mask in masks)


def test_the_mask_lies_on_the_face(detector, clip):
    _, masks = forge(clip, 4, method="swap")
    for number in (0, 12, 24):
        nose_x, nose_y = detector.detect(clip[number])[0].landmarks[2]
        assert masks[number, round(nose_y), round(nose_x)] == 255
        assert masks[number, 0].max() == 0


def test_a_mouth_forgery_leaves_the_eyes(detector, clip):
    _, masks = forge(clip, 4, method="mouth")
    for x, y in detector.detect(clip[0])[0].landmarks[:2]:
        assert masks[0, round(y), round(x)] == 0


def test_methods_and_sources_make_different_forgeries(clip):
    result = [forge(clip[:6], 4, method=method)[0] for method in METHODS]
    result.append(forge(clip[:6], 5, method="swap")[0])
    assert len({frames.tobytes() for frames in result}) == len(result)


@pytest.mark.parametrize("person", range(1, 12, 3))
def test_a_forged_face_is_still_found(detector, person):
    frames, _ = forge(talk(person, seconds=0.2), person + 1, method="sharp")
    assert len(detector.detect(frames[2])) == 1


def test_no_face_to_replace_is_an_error():
    with pytest.raises(ValueError, match="no face in 1 frames"):
        forge(np.full((1, 120, 160, 3), 90, np.uint8), 1, method="swap")


def test_an_unknown_method_is_named_with_those_known(clip):
    with pytest.raises(ValueError, match=r"no way to forge 'magic'; there are: swap, mouth"):
        forge(clip, 1, method="magic")


@pytest.mark.parametrize(
    ("person", "arguments", "message"),
    [
        (-1, {}, "person -1"),
        (0, {"take": -2}, "take -2"),
        (0, {"seconds": 0}, "0 frames"),
        (0, {"size": (320, 32)}, "320 x 32"),
    ],
)
def test_impossible_footage_is_refused(person, arguments, message):
    with pytest.raises(ValueError, match=message):
        talk(person, **arguments)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("b.avi", "mpeg4")])
def test_a_written_video_decodes_to_the_same_pictures(tmp_path, clip, name, codec):
    path = tmp_path / "made" / "for" / name
    write_video(path, clip, codec=codec)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 25
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(decoded) == len(clip)
    assert np.abs(np.array(decoded, int) - clip).mean() < 8


def test_two_runs_write_the_same_bytes(tmp_path, clip):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, clip)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_mask_video_keeps_inside_and_outside(tmp_path, clip):
    _, masks = forge(clip, 2, method="swap")
    write_mask_video(tmp_path / "m.mp4", masks)
    with av.open(str(tmp_path / "m.mp4")) as container:
        decoded = np.array([frame.to_ndarray(format="gray") for frame in container.decode()])
    assert ((decoded > 127) != (masks > 127)).mean() < 0.003


def test_frames_are_numbered_pictures(tmp_path, clip):
    write_frames(tmp_path / "x" / "y", clip[:3], ".png")
    names = sorted(path.name for path in Path(tmp_path, "x", "y").iterdir())
    assert names == ["0000.png", "0001.png", "0002.png"]
    with Image.open(tmp_path / "x" / "y" / "0001.png") as picture:
        assert np.array_equal(np.asarray(picture), clip[1])
