"""The analysis against elements whose grain, blur, fading and flicker are known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from film_elements.clip import moving_still
from film_elements.elements import ElementSimulator
from film_elements.parameters import Element, Flicker, Steadiness, internegative_35mm, print_16mm
from film_recovery.contract.errors import InputError, MissingFrameError
from film_recovery.elements.analysis import analyse_element, analyse_pictures, compare_elements, hue_of_cast
from film_recovery.elements.condition import clipped, colour_left, density_range, flicker, grain_sigma, to_density
from film_recovery.elements.spectrum import measure_spectrum
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import density_to_linear, encode
from film_recovery.images.frame import Frame, Window
from film_recovery.images.io import write_frame
from film_recovery.images.sequence import open_sequence

FloatArray = npt.NDArray[np.float32]
SIZE = (480, 272)
AREA = Window(16, 10, 448, 252)


@pytest.fixture(scope="module")
def truth(photograph: FloatArray) -> list[FloatArray]:
    return list(moving_still(photograph, SIZE, 12, zoom=0.85, cut=False))


def scans(element: Element, truth: list[FloatArray], count: int = 3) -> list[FloatArray]:
    simulator = ElementSimulator(element, SIZE, seed=3)
    return [simulator.simulate(picture, 1001 + index).scan for index, picture in enumerate(truth[:count])]


def luma(picture: FloatArray) -> FloatArray:
    return rgb_to_ycbcr(encode(picture, "display"), "709")[..., 0]


def test_white_noise_has_its_variance_at_every_frequency() -> None:
    noise = 0.5 + 0.02 * np.random.default_rng(1).standard_normal((400, 400))
    spectrum = measure_spectrum([noise])
    assert spectrum.mean[2:] == pytest.approx(np.full(len(spectrum.mean) - 2, 0.02**2), rel=0.05)


def test_spectrum_agrees_with_scipy_periodograms() -> None:
    from scipy.signal import periodogram

    rows = cv2.GaussianBlur(np.random.default_rng(2).standard_normal((512, 512)), (0, 0), 1.2)
    frequency, power = periodogram(rows, window="hann", detrend="constant", axis=1, scaling="density")
    oracle = power.mean(axis=0).sum() * (frequency[1] - frequency[0])  # Parseval: the whole variance, from one-sided rows
    spectrum = measure_spectrum([rows + 0.5])
    width = spectrum.frequency[1] - spectrum.frequency[0]
    ours = (spectrum.mean * 2.0 * np.pi * spectrum.frequency * width).sum()
    assert ours == pytest.approx(oracle, rel=0.06)


@given(st.floats(0.8, 2.5))
@settings(max_examples=6)
def test_more_blur_never_reads_as_more_resolution(sigma: float) -> None:
    random = np.random.default_rng(5)
    detail = np.repeat(np.repeat(random.random((40, 40)), 8, axis=0), 8, axis=1)
    detail[:, :120] = 0.5  # a flat part, as films have, that shows the grain alone
    grain = 0.01 * random.standard_normal(detail.shape)
    soft, softer = (measure_spectrum([cv2.GaussianBlur(detail, (0, 0), s) + grain]).resolution for s in (sigma, 1.4 * sigma))
    assert softer <= soft


def test_resolution_of_a_blurred_picture_is_where_its_spectrum_meets_the_grain() -> None:
    random = np.random.default_rng(6)
    picture = np.full((512, 512), 0.5)
    picture[:, 200:] += cv2.GaussianBlur(random.standard_normal((512, 312)), (0, 0), 1.0) * 0.3
    picture += 0.01 * random.standard_normal(picture.shape)
    # White noise through a Gaussian has the power 0.3^2 exp(-(2 pi f)^2); 0.6 of the tiles show it, and grain is 0.01^2.
    expected = np.sqrt(np.log(0.61 * 0.3**2 / 0.01**2)) / (2.0 * np.pi)
    assert measure_spectrum([picture]).resolution == pytest.approx(expected, abs=0.03)


def test_a_sharp_clean_picture_reaches_the_limit_of_the_scan(photograph: FloatArray) -> None:
    assert analyse_pictures("clean", [photograph], "display").resolution > 0.45


def test_the_print_resolves_less_than_the_internegative(truth: list[FloatArray]) -> None:
    sharp = analyse_pictures("internegative", scans(internegative_35mm(), truth), "display", AREA)
    soft = analyse_pictures("print", scans(print_16mm(), truth), "display", AREA)
    assert soft.resolution < 0.9 * sharp.resolution
    assert soft.detail < 0.9 * sharp.detail
    assert sharp.lines == pytest.approx(2.0 * sharp.resolution * AREA.height)


@given(st.lists(st.floats(0.004, 0.04), min_size=3, max_size=3))
@settings(max_examples=8)
def test_grain_of_a_flat_field_is_found_in_each_channel(sigma: list[float]) -> None:
    noise = np.random.default_rng(7).standard_normal((480, 640, 3)).astype(np.float32)
    ramp = np.linspace(0.5, 0.9, 640, dtype=np.float32)[None, :, None]  # a slope is no grain
    assert grain_sigma([ramp + noise * np.array(sigma, np.float32)]) == pytest.approx(sigma, rel=0.1)


def test_grain_of_a_simulated_element_is_found_to_a_third(truth: list[FloatArray]) -> None:
    element = internegative_35mm()
    silent = dataclasses.replace(element, grain=dataclasses.replace(element.grain, rms_granularity=0.0, scanner_noise=0.0))
    inside = np.s_[10:262, 16:464]
    smooth = [cv2.GaussianBlur(truth[0], (0, 0), 3.0)]  # the photograph has a grain of its own
    grainy, clean = (to_density(scans(e, smooth, 1)[0][inside]) for e in (element, silent))
    middle = (clean.mean(axis=-1) > 0.2) & (clean.mean(axis=-1) < 1.5)
    true = [float(value) for value in (grainy - clean)[middle].std(axis=0)]
    assert grain_sigma([grainy]) == pytest.approx(true, rel=0.35)


def test_lost_layer_contrast_is_found_and_said(truth: list[FloatArray]) -> None:
    density = [to_density(picture) for picture in truth[:2]]
    faded = [density_to_linear(d * np.array([1 / 3, 1.0, 1.0], np.float32)).astype(np.float32) for d in density]
    (low, high), full = density_range([to_density(p) for p in faded])[0], density_range(density)[0]
    assert high - low == pytest.approx((full[1] - full[0]) / 3.0, rel=0.02)
    assert "the red layer has lost" in analyse_pictures("faded", faded, "display").sentence()


def test_a_fixed_share_is_said_in_words() -> None:
    ramp = np.linspace(0.1, 1.9, 256, dtype=np.float32)
    density = np.stack([ramp / 3.0, ramp, ramp], axis=-1)[None].repeat(64, axis=0)
    sentence = analyse_pictures("wedge", [density_to_linear(density)], "display").sentence()
    assert "the red layer has lost two thirds of its contrast" in sentence
    assert "its average colour is red" in sentence


def test_a_cast_alone_is_not_colour(photograph: FloatArray) -> None:
    grey = np.repeat(photograph[..., 1:2], 3, axis=-1)
    tinted = density_to_linear(to_density(grey) * np.array([0.4, 1.0, 0.7], np.float32)).astype(np.float32)

    def spread(picture: FloatArray) -> float:
        coded = rgb_to_ycbcr(encode(picture, "display"), "709")
        return colour_left([to_density(picture)], [coded[..., 1:]], [coded[..., 0]]).spread

    assert spread(grey) < 1e-5
    assert spread(tinted) < 0.15 * spread(photograph)


@pytest.mark.parametrize(
    ("cast", "name"),
    [((-0.2, 0.1, 0.1), "red"), ((0.1, -0.2, 0.1), "green"), ((0.1, 0.1, -0.2), "blue"), ((-0.1, -0.1, 0.2), "yellow"),
     ((0.2, -0.1, -0.1), "cyan"), ((-0.1, 0.2, -0.1), "magenta"), ((0.01, -0.02, 0.01), "neutral")],
)  # fmt: skip
def test_casts_have_the_names_of_their_hue(cast: tuple[float, float, float], name: str) -> None:
    assert hue_of_cast(cast) == name


def test_flicker_is_measured_per_channel_and_slow_change_is_not_flicker() -> None:
    random = np.random.default_rng(8)
    still = random.uniform(0.3, 1.2, (9, 16, 3)).astype(np.float32)
    amount = np.array([0.03, 0.006, 0.0], np.float32)
    fade = np.linspace(0.0, 0.3, 24, dtype=np.float32)
    blocks = [still + fade[i] + amount * random.standard_normal(3).astype(np.float32) for i in range(24)]
    measured = flicker(blocks)
    assert measured is not None
    assert measured[:2] == pytest.approx([0.03, 0.006], rel=0.4)
    assert measured[2] < 1e-4


def test_motion_and_a_cut_are_not_flicker() -> None:
    random = np.random.default_rng(9)
    first, second = (random.uniform(0.3, 1.2, (9, 16, 3)).astype(np.float32) for _ in range(2))
    blocks = []
    for index in range(20):
        block = (first if index < 10 else second + 0.5).copy()
        block[3:6, (index % 10) : (index % 10) + 3] += 0.4  # something dark crosses the picture
        blocks.append(block)
    measured = flicker(blocks)
    assert measured is not None
    assert max(measured) < 0.002


def test_flicker_of_too_few_frames_is_unknown() -> None:
    assert flicker([np.full((9, 16, 3), 0.5, np.float32)] * 3) is None


def test_the_internegatives_red_flicker_is_found_and_said(truth: list[FloatArray]) -> None:
    element = dataclasses.replace(
        internegative_35mm(), steadiness=Steadiness(), flicker=Flicker((0.03, 0.002, 0.002), lowest_hz=2.0, highest_hz=8.0)
    )
    found = analyse_pictures("internegative", scans(element, [truth[0]] * 12, 12), "display", AREA)
    assert found.flicker is not None
    assert found.flicker[0] == pytest.approx(0.03, rel=0.5)
    assert found.flicker[0] > 4.0 * max(found.flicker[1:])
    assert "most in red" in found.sentence()


def test_clipping_is_counted_by_pixel() -> None:
    picture = np.full((10, 10, 3), 0.5, np.float32)
    picture[0, :3, 0] = 0.0
    picture[1, :5] = 1.2
    assert clipped([picture]) == pytest.approx((0.03, 0.05))


def test_the_advice_gives_each_element_its_role(truth: list[FloatArray]) -> None:
    internegative = analyse_pictures("internegative", scans(internegative_35mm(), truth), "display", AREA)
    printed = analyse_pictures("print", scans(print_16mm(), truth), "display", AREA)
    for advice in (compare_elements(internegative, printed), compare_elements(printed, internegative)):
        assert advice.startswith("internegative has kept the detail and print the colour")
        assert "For a chroma pass use internegative as the source and print as the reference" in advice
        assert "for a spatial pass use print as the source and internegative" in advice


def test_an_element_that_is_better_in_all_is_the_reference_of_both_passes(photograph: FloatArray) -> None:
    worse = cv2.GaussianBlur(photograph, (0, 0), 2.5)
    worse = worse * 0.3 + worse.mean(axis=-1, keepdims=True) * 0.7
    pair = [analyse_pictures(name, [picture], "display") for name, picture in (("good", photograph), ("bad", worse))]
    assert "use bad as the source and good as the reference of both passes" in compare_elements(*pair)
    assert "kept alike" in compare_elements(pair[0], pair[0])


def test_detail_is_compared_by_what_a_picture_height_holds(photograph: FloatArray) -> None:
    """A large scan that is soft in its own pixels may still hold more than a small sharp one."""
    large = cv2.resize(photograph, None, fx=3.0, fy=3.0, interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(cv2.GaussianBlur(photograph, (0, 0), 1.0), None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    negative, video = (analyse_pictures(name, [picture], "display") for name, picture in (("neg", large), ("video", small)))
    assert negative.detail < video.detail, "each in its own pixels"
    assert "neg has kept more detail" in compare_elements(negative, video)
    assert "neg has kept more detail" in compare_elements(video, negative)


def test_elements_without_a_picture_are_alike() -> None:
    black, gray = (
        analyse_pictures(name, [np.full((64, 64, 3), level, np.float32)], "display") for name, level in (("a", 0.0), ("b", 0.2))
    )
    assert black.contrast_kept == gray.contrast_kept == [1.0, 1.0, 1.0]
    assert "have kept alike" in compare_elements(black, gray)


def test_figures_go_into_json_and_back(truth: list[FloatArray]) -> None:
    found = analyse_pictures("print", scans(print_16mm(), truth, 1), "display", AREA)
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["area"] == {"x": 16, "y": 10, "width": 448, "height": 252}
    assert again["flicker"] is None
    assert again["sentence"] == found.sentence()
    assert len(again["spectrum"]["frequency"]) == len(again["spectrum"]["power"]) == len(again["spectrum"]["floor"])


def test_a_sequence_on_disk_is_analysed_like_its_pictures(truth: list[FloatArray], tmp_path: Path) -> None:
    for index, picture in enumerate(truth[:5]):
        write_frame(tmp_path / f"scan.{1001 + index}.exr", Frame.from_rgb(picture), "float")
    sequence = open_sequence(tmp_path / "scan.####.exr")
    found = analyse_element(sequence, [1003, 1001], "auto", AREA)
    same = analyse_pictures(sequence.name, [truth[0], truth[2]], "display", AREA)
    assert found.frames == [1001, 1003]
    assert found.resolution > 0.9 * same.resolution  # from neighbouring frames, a pan here
    assert found.grain == same.grain
    assert found.flicker is not None
    with pytest.raises(MissingFrameError):
        analyse_element(sequence, [1099], "display")


def test_values_beyond_white_and_below_black_are_measured(photograph: FloatArray) -> None:
    found = analyse_pictures("bright", [photograph * 3.0 - 0.1], "display")
    assert found.clipped_high > 0.1
    assert found.clipped_low > 0.0
    assert np.isfinite(found.grain).all()


@pytest.mark.parametrize("area", [Window(0, 0, 20, 200), Window(590, 390, 10, 10)])
def test_a_picture_too_small_to_judge_is_refused(photograph: FloatArray, area: Window) -> None:
    with pytest.raises(InputError, match="at least 32 pixels"):
        analyse_pictures("tiny", [photograph], "display", area)
    with pytest.raises(InputError, match="No frame of none"):
        analyse_pictures("none", [], "display")


def test_a_black_frame_has_finite_figures() -> None:
    found = analyse_pictures("black", [np.zeros((64, 64, 3), np.float32)] * 2, "display")
    assert found.grain == [0.0, 0.0, 0.0]
    json.dumps(found.to_dict(), allow_nan=False)
