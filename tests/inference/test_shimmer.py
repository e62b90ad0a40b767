"""Colour that shimmers where the source does not change is averaged; colour that changes with the source is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.inference.test_steady import files, make_model, panned, written

from film_elements.clip import moving_still
from film_recovery.contract.errors import InputError
from film_recovery.contract.steady import BESIDE
from film_recovery.images.colour import rgb_to_ycbcr, ycbcr_to_rgb
from film_recovery.images.encodings import decode, encode
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.inference.sequence import apply_model
from film_recovery.inference.session import ModelSession
from film_recovery.inference.shimmer import small_chroma, tie, unsteadiness
from film_recovery.inference.steady import NO_DEVIATION, small_picture

COUNT = 9
FloatArray = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "chroma.onnx")


def shimmering(frames: list[FloatArray], size: float = 0.004) -> list[FloatArray]:
    """Frames whose Cb and Cr wander apart in blotches that are others in every frame."""
    random, found = np.random.default_rng(7), []
    for frame in frames:
        ycc = rgb_to_ycbcr(encode(frame, "display"), "709")
        blotches = random.normal(0.0, size, (frame.shape[0] // 16 + 1, frame.shape[1] // 16 + 1, 2))
        ycc[..., 1:] += np.kron(blotches, np.ones((16, 16, 1)))[: frame.shape[0], : frame.shape[1]]
        found.append(np.asarray(decode(ycbcr_to_rgb(ycc, "709"), "display"), np.float32))
    return found


def slowly(picture: FloatArray, count: int = COUNT) -> list[FloatArray]:
    """Frames out of the middle of a slow pan."""
    return panned(picture, 48)[12 : 12 + count]


def check_chunks(model: Path, frames: list[FloatArray], parts: list[int], folder: Path) -> None:
    """Frames recovered in the parts that each belongs to are those of the whole."""
    sequence = open_sequence(written(folder / "in", dict(enumerate(frames, start=1001))))
    apply_model(model, sequence, folder / "whole" / "r.####.exr")
    for chunk in set(parts):
        asked = [frame for frame, part in enumerate(parts, start=1001) if part == chunk]
        apply_model(model, sequence, folder / "parts" / "r.####.exr", asked)
    assert files(folder / "whole") == files(folder / "parts")


def averaged_chroma(sources: list[FloatArray], results: list[FloatArray], frame: int) -> tuple[FloatArray, FloatArray]:
    """A frame's small chroma before and after, each frame tied to all within reach."""
    pictures = [small_picture(source, "display") for source in sources]
    chroma = [small_chroma(result, "display", "709") for result in results]
    near = [at for at in range(max(frame - BESIDE, 0), min(frame + BESIDE + 1, len(sources))) if at != frame]
    ties = [(tie(pictures[frame], pictures[at], (NO_DEVIATION, NO_DEVIATION), at), chroma[at]) for at in near]
    change = unsteadiness(chroma[frame], [(one, theirs) for one, theirs in ties if one is not None], "709")
    change_of_colour = rgb_to_ycbcr(change, "709")
    assert np.abs(change_of_colour[..., 0]).max() < 1e-6
    return chroma[frame], np.asarray(chroma[frame] + change_of_colour[..., 1:], np.float32)


@pytest.mark.parametrize("moves", [False, True], ids=["still", "panned"])
def test_shimmer_falls_as_an_average_of_five_does(photograph: FloatArray, moves: bool) -> None:
    frames = slowly(photograph) if moves else [panned(photograph, 1)[0]] * COUNT
    truth = small_chroma(frames[4], "display", "709")
    before, after = averaged_chroma(frames, shimmering(frames), 4)
    left = float(np.square(after - truth).mean() / np.square(before - truth).mean()) ** 0.5
    assert left < (0.7 if moves else 0.5)  # 1 / sqrt(5) = 0.45


@pytest.mark.parametrize("moves", [False, True], ids=["still", "panned"])
def test_shimmer_falls_in_what_is_written(photograph: FloatArray, tmp_path: Path, moves: bool) -> None:
    """Measured from what becomes of a clip that does not shimmer; half or twice the change would fall less far."""
    model, chroma = make_model(tmp_path / "plain.onnx", spread=0.0), {}  # at random, it would also paint what does not pan
    frames = slowly(photograph) if moves else [panned(photograph, 1)[0]] * COUNT
    noisy = shimmering(frames, 0.002 if moves else 0.001)
    for name, clip, steady in (("clean", frames, False), ("off", noisy, False), ("on", noisy, True)):
        source = open_sequence(written(tmp_path / f"in_{name}", dict(enumerate(clip, start=1001))))
        apply_model(model, source, tmp_path / name / "r.####.exr", range(1003, 1008), pixel_type="float", steady=steady)
        results = [read_frame(path).rgb for path in sorted((tmp_path / name).iterdir())]
        chroma[name] = np.array([rgb_to_ycbcr(encode(rgb, "display"), "709")[..., 1:] for rgb in results])
    off, on = (float(np.square(chroma[name] - chroma["clean"]).mean()) ** 0.5 for name in ("off", "on"))
    assert on < (0.84 if moves else 0.65) * off  # 1 / sqrt(5) = 0.45; where it moves, what interpolation costs is much of it


def test_what_changes_with_the_source_stays(photograph: FloatArray, portrait: FloatArray) -> None:
    """A cut, and a thing of another colour that comes into half of the picture."""
    first, second = panned(photograph, 1)[0], panned(portrait, 1)[0]
    before, after = averaged_chroma([first] * 3 + [second] * 3, [first] * 3 + [second] * 3, 3)
    assert np.sqrt(np.square(after - before).mean()) < 0.0015
    tinted = first.copy()
    tinted[:, :120] *= np.asarray([0.6, 1.0, 1.5], np.float32)
    before, after = averaged_chroma([first] * 3 + [tinted] * 3, [first] * 3 + [tinted] * 3, 3)
    assert np.abs(after - before).max() < 0.01 < np.abs(before - small_chroma(first, "display", "709")).max()
    assert np.sqrt(np.square(after - before).mean()) < 0.0015


def test_frames_of_another_shot_or_size_are_not_tied(photograph: FloatArray, portrait: FloatArray) -> None:
    frames = [slowly(photograph, 2)[0], slowly(photograph, 2)[1], slowly(portrait, 1)[0], slowly(photograph, 2)[1][:-16]]
    first, *others = (small_picture(frame, "display") for frame in frames)
    found = [tie(first, other, (NO_DEVIATION, NO_DEVIATION), 2) for other in others]
    assert found[0] is not None and found[0].weight.mean() > 0.5
    assert found[1] is None and found[2] is None


@settings(max_examples=6)
@given(parts=st.lists(st.sampled_from(range(3)), min_size=8, max_size=8))
def test_any_chunks_equal_the_whole(
    model: Path, photograph: FloatArray, tmp_path_factory: pytest.TempPathFactory, parts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("chunks")
    moving = list(moving_still(photograph, (96, 64), 40, 0.8))[16:24]  # and cut, at 20
    check_chunks(model, [np.maximum(one, 0.01) for one in moving], parts, folder)


def test_a_frame_is_done_again_when_one_beside_it_becomes_another(
    model: Path, photograph: FloatArray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = slowly(photograph)
    source = written(tmp_path / "in", dict(enumerate(frames, start=1001)))
    output, seen = tmp_path / "out" / "r.####.exr", []
    apply_model(model, open_sequence(source), output)
    recover = ModelSession.run

    def counted(self: ModelSession, rgb: FloatArray, at_once: int) -> FloatArray:
        seen.append(rgb.shape)
        return recover(self, rgb, at_once)

    monkeypatch.setattr(ModelSession, "run", counted)
    again = apply_model(model, open_sequence(source), output, skip_existing=True)
    assert again.done == [] and len(again.skipped) == 9 and not seen
    retouched = frames[8].copy()
    retouched[40:44, 100:104] += 0.0005  # less than any flicker
    write_frame(tmp_path / "in" / "scan.1009.exr", Frame.from_rgb(retouched, "float"), "float")
    report = apply_model(model, open_sequence(source), output, skip_existing=True)
    assert report.done == [1007, 1008, 1009]
    assert len(seen) == 5  # those, and two that 1007 is averaged with
    apply_model(model, open_sequence(source), tmp_path / "anew" / "r.####.exr")
    assert files(tmp_path / "out") == files(tmp_path / "anew")


def test_a_frame_that_cannot_be_recovered_is_a_gap_to_those_beside_it(
    model: Path, photograph: FloatArray, tmp_path: Path
) -> None:
    frames = slowly(photograph, 6)
    source = written(tmp_path / "in", dict(enumerate(frames, start=1001)))
    frames[4][0, 0] = np.nan
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": frames[4]}).write(str(tmp_path / "in" / "scan.1005.exr"))
    sequence = open_sequence(source)
    with pytest.raises(InputError, match="Frame 1005"):
        apply_model(model, sequence, tmp_path / "whole" / "r.####.exr")
    assert list(files(tmp_path / "whole")) == [f"r.{frame}.exr" for frame in (1001, 1002, 1003)]
    apply_model(model, sequence, tmp_path / "parts" / "r.####.exr", [1001, 1002, 1003])
    assert files(tmp_path / "whole") == files(tmp_path / "parts")
    before = files(tmp_path / "whole")
    with pytest.raises(InputError, match="Frame 1005"):
        apply_model(model, sequence, tmp_path / "whole" / "r.####.exr", skip_existing=True)
    assert files(tmp_path / "whole") == before
