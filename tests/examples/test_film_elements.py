"""Simulated scans: what fades, what blurs, what moves, and that the geometry told is the geometry done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from film_elements import clip, parameters, physics
from film_elements.elements import ElementSimulator
from film_elements.parameters import Dust, Element, Fading, Flicker, Grain, Scan, Tone
from film_recovery.images.encodings import encode

FloatArray = npt.NDArray[np.float32]
QUIET = Grain(rms_granularity=0.0, size_um=0.0, scanner_noise=0.0)


def without_chance(element: Element) -> Element:
    """The element with exact tone and fading, and nothing random but its place."""
    even = replace(element.fading, unevenness=0.0)
    return replace(element, grain=QUIET, flicker=Flicker(), dust=Dust(), fading=even)


def plain(element: Element) -> Element:
    """The element with its blur and place alone."""
    return replace(without_chance(element), tone=Tone(), fading=Fading(), scan=Scan(border=element.scan.border))


def difference(first: FloatArray, second: FloatArray) -> float:
    """Mean CIEDE2000 of two linear pictures, 6 % of the width left out at the edges."""
    rim = first.shape[1] // 16
    inside = slice(rim, -rim), slice(rim, -rim)
    labs = [rgb2lab(np.clip(encode(p[inside].astype(np.float64), "display"), 0.0, 1.0)) for p in (first, second)]
    return float(np.mean(deltaE_ciede2000(*labs)))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("element", [parameters.internegative_35mm(), parameters.print_16mm()], ids=lambda e: e.gauge)
@pytest.mark.parametrize("colour", [(0.18, 0.18, 0.18), (0.9, 0.8, 0.7), (0.02, 0.3, 0.05), (0.004, 0.004, 0.004)])
def test_flat_patches_follow_the_formula(element: Element, colour: tuple[float, float, float]) -> None:
    truth = np.broadcast_to(np.array(colour, np.float32), (96, 160, 3)).copy()
    simulator = ElementSimulator(without_chance(element), (160, 96), 3)
    seen = -np.log10(simulator.simulate(truth, 1001).scan[30:60, 40:120].astype(np.float64))
    expected = simulator.faded_density(-np.log10(np.array(colour)))
    np.testing.assert_allclose(seen, np.broadcast_to(expected, seen.shape), atol=2e-4)


def test_fading_is_a_loss_of_contrast_in_density() -> None:
    simulator = ElementSimulator(parameters.internegative_35mm(), (160, 96), 3)
    greys = np.linspace(0.0, 2.0, 9)
    seen = simulator.faded_density(np.repeat(greys[:, None], 3, axis=1))
    slopes = np.diff(seen, axis=0) / np.diff(greys)[:, None]
    a = np.array(parameters.UNWANTED_ABSORPTIONS)
    expected = a @ (np.array([0.35, 0.9, 0.6]) * np.linalg.solve(a, np.ones(3)))
    np.testing.assert_allclose(slopes, np.broadcast_to(expected, slopes.shape), atol=1e-9)
    assert expected[0] < expected[2] < expected[1] < 1.0


def test_the_faded_scan_is_pink_in_the_shadows_and_nearly_neutral_in_the_highlights() -> None:
    simulator = ElementSimulator(parameters.internegative_35mm(), (160, 96), 3)
    shadow, highlight = simulator.faded_density(np.full((2, 3), [[1.6], [0.0]]))
    assert shadow[1] - shadow[0] > 0.4
    assert shadow[1] - shadow[2] > 0.1
    assert np.ptp(highlight) < 0.1


def test_the_elements_of_the_sample_clip_lie_as_far_from_the_truth_as_they_should(sample_clip: Path) -> None:
    frames = clip.load_clip(sample_clip, (960, 540), count=3, step=60)
    for element, least, most in ((parameters.internegative_35mm(), 20.0, 38.0), (parameters.print_16mm(), 3.0, 6.5)):
        simulator = ElementSimulator(element, (960, 540), 7)
        made = [simulator.simulate(frame, 1001 + index) for index, frame in enumerate(frames)]
        assert least < np.mean([difference(one.scan, one.truth) for one in made]) < most


def test_the_print_is_much_nearer_to_the_truth_than_the_internegative(photograph: FloatArray) -> None:
    elements = parameters.internegative_35mm(), parameters.print_16mm()
    made = [ElementSimulator(element, (600, 400), 2).simulate(photograph, 1001) for element in elements]
    faded, kept = (difference(one.scan, one.truth) for one in made)
    assert faded > 2.0 * kept


def test_one_frame_is_the_same_whichever_others_were_made(photograph: FloatArray) -> None:
    first = ElementSimulator(parameters.print_16mm(), (600, 400), 4)
    first.simulate(photograph, 1001)
    second = ElementSimulator(parameters.print_16mm(), (600, 400), 4)
    np.testing.assert_array_equal(first.simulate(photograph, 1009).scan, second.simulate(photograph, 1009).scan)


def test_another_seed_or_frame_gives_another_scan(photograph: FloatArray) -> None:
    base = ElementSimulator(parameters.print_16mm(), (600, 400), 4).simulate(photograph, 1001).scan
    assert not np.array_equal(base, ElementSimulator(parameters.print_16mm(), (600, 400), 5).simulate(photograph, 1001).scan)
    assert not np.array_equal(base, ElementSimulator(parameters.print_16mm(), (600, 400), 4).simulate(photograph, 1002).scan)


def test_the_input_is_left_as_it_was(photograph: FloatArray) -> None:
    before = photograph.copy()
    ElementSimulator(parameters.print_16mm(), (600, 400), 4).simulate(photograph, 1001)
    np.testing.assert_array_equal(photograph, before)


@pytest.mark.parametrize("element", [parameters.internegative_35mm(), parameters.print_16mm()], ids=lambda e: e.gauge)
def test_marks_are_found_where_the_geometry_says(element: Element) -> None:
    size, spots = (480, 270), [(x, y) for x in (60, 180, 300, 420) for y in (50, 135, 220)]
    y, x = np.indices((size[1], size[0]))
    light = np.sum([np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2.0 * 3.0**2)) for px, py in spots], axis=0)
    truth = np.repeat((0.05 + 0.9 * light)[..., None], 3, axis=2).astype(np.float32)
    simulator = ElementSimulator(replace(element, grain=QUIET, dust=Dust(), fading=Fading()), size, 11)
    for frame in (1001, 1013, 1040):
        made = simulator.simulate(truth, frame)
        shown = made.geometry.truth_positions(size[1], size[0])
        for spot in spots:
            # An element pixel p shows the truth at shown[p]: look for the mark's middle, and read what truth lies there.
            column, row = (round(float(v)) for v in made.geometry.matrix @ (*spot, 1.0))
            area = slice(row - 12, row + 13), slice(column - 12, column + 13)
            for picture in (made.scan, made.truth):
                patch = picture[area][..., 1].astype(np.float64)
                weight = np.maximum(patch - np.percentile(patch, 40), 0.0)
                found = (shown[area] * weight[..., None]).sum(axis=(0, 1)) / weight.sum()
                np.testing.assert_allclose(found, spot, atol=0.05)


def test_the_print_moves_more_than_the_internegative_and_within_bounds() -> None:
    spread = {}
    for element in (parameters.internegative_35mm(), parameters.print_16mm()):
        simulator = ElementSimulator(element, (960, 540), 6)
        geometry = [simulator.geometry(frame) for frame in range(1001, 1201)]
        middle = np.array([g.matrix @ (479.5, 269.5, 1.0) for g in geometry])
        turns = np.degrees([np.arctan2(g.matrix[1, 0], g.matrix[0, 0]) for g in geometry])
        assert np.abs(turns).max() <= element.steadiness.rotation_degrees + 1e-9
        assert np.abs(physics.warp_field(540, 960, geometry[0].warp)).max() <= element.steadiness.warp_px * 1.01
        spread[element.gauge] = middle.std(axis=0)
    assert (spread["16mm"] > 1.5 * spread["35mm"]).all()
    assert 1.0 < spread["16mm"][0] < 2.2


@pytest.mark.parametrize("element", [parameters.internegative_35mm(), parameters.print_16mm()], ids=lambda e: e.gauge)
def test_sine_waves_lose_half_of_their_contrast_at_the_told_frequency(element: Element) -> None:
    element = plain(element)
    size = (480, 270)
    simulator = ElementSimulator(element, size, 8)
    scale = (1.0 - 2.0 * element.scan.border) * (1.0 - element.steadiness.shrinkage)
    frequency = min(simulator.half_cycles_px, 0.3)
    wave = 0.5 + 0.3 * np.sin(2.0 * np.pi * frequency * scale * np.arange(size[0]))
    truth = np.broadcast_to(wave[None, :, None], (size[1], size[0], 3)).astype(np.float32)
    made = simulator.simulate(truth, 1001)
    scan, yardstick = (p[60:-60, 60:-60, 1].std() for p in (made.scan, made.truth))
    expected = 0.5 ** ((frequency / simulator.half_cycles_px) ** 2)
    assert scan / yardstick == pytest.approx(expected, abs=0.02)


def test_the_print_is_film_limited_and_the_internegative_scan_limited() -> None:
    assert 0.12 < ElementSimulator(parameters.print_16mm(), (960, 540), 1).half_cycles_px < 0.16
    assert ElementSimulator(parameters.internegative_35mm(), (960, 540), 1).half_cycles_px > 0.5


def test_flicker_lives_in_the_red_of_the_faded_element() -> None:
    truth = np.full((54, 96, 3), 0.3, np.float32)
    simulator = ElementSimulator(parameters.internegative_35mm(), (96, 54), 9)
    inside = slice(10, -10), slice(10, -10)
    density = np.array([-np.log10(simulator.simulate(truth, f).scan[inside].mean(axis=(0, 1))) for f in range(1001, 1101)])
    red, green, blue = density.std(axis=0)
    assert 0.003 < red < 0.04
    assert red > 2.5 * max(green, blue)
    assert np.abs(np.diff(density[:, 0])).max() < 0.02


def test_dirt_only_darkens() -> None:
    truth = np.full((270, 480, 3), 0.5, np.float32)
    dirty = plain(parameters.print_16mm())
    dirty = replace(dirty, dust=Dust(specks_per_frame=30.0, hairs_per_frame=5.0))
    clean = replace(dirty, dust=Dust())
    with_dirt, without = (ElementSimulator(e, (480, 270), 3).simulate(truth, 1001).scan for e in (dirty, clean))
    assert (with_dirt <= without + 1e-6).all()
    assert 0.0005 < np.mean(with_dirt < 0.8 * without) < 0.05


@pytest.mark.parametrize("element", [parameters.internegative_35mm(), parameters.print_16mm()], ids=lambda e: e.gauge)
def test_the_frame_has_a_dark_edge_on_every_side(element: Element) -> None:
    made = ElementSimulator(element, (960, 540), 3).simulate(np.full((540, 960, 3), 0.5, np.float32), 1001)
    for side in (made.scan[:3], made.scan[-3:], made.scan[:, :6], made.scan[:, -6:], made.scan[:14, :20]):
        assert side.min() == 0.0
    assert made.scan[:2].max() == 0.0
    assert made.scan[:, :4].max() == 0.0
    assert made.picture[20:-20, 30:-30].min() == 1.0
    assert made.picture.mean() > 0.9
