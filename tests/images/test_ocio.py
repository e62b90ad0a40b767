from __future__ import annotations

from pathlib import Path

import colour as colour_science
import numpy as np
import pytest

from film_recovery.contract.errors import InputError
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.ocio import ACES, BUILT_IN, aces_frame, convert, load_config, to_aces

SMALL_CONFIG = """ocio_profile_version: 2
roles: {default: plain, scene_linear: plain, aces_interchange: studio_aces}
file_rules: [!<Rule> {name: Default, colorspace: plain}]
colorspaces:
  - !<ColorSpace> {name: studio_aces}
  - !<ColorSpace>
    name: plain
    to_scene_reference: !<MatrixTransform> {matrix: [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1]}
"""


@pytest.mark.parametrize(("space", "oracle"), [("lin_rec709", "ITU-R BT.709"), ("ACEScg", "ACEScg")])
def test_aces_is_reached_by_the_published_matrix(space: str, oracle: str) -> None:
    matrix = colour_science.matrix_RGB_to_RGB(oracle, "ACES2065-1", "Bradford")
    assert np.abs(to_aces(np.eye(3, dtype=np.float32)[None], space)[0].T - matrix).max() < 1e-6
    pixels = np.random.default_rng(0).normal(0.5, 4.0, (9, 7, 3)).astype(np.float32)
    assert np.abs(to_aces(pixels, space) - pixels @ matrix.T).max() < 1e-5
    assert np.abs(convert(to_aces(pixels, space), ACES, space) - pixels).max() < 2e-5


def test_the_log_encoding_is_the_acescct_of_the_configuration() -> None:
    from film_recovery.images.encodings import encode

    values = np.linspace(-0.005, 60.0, 3000, dtype=np.float32).reshape(-1, 10, 3)
    assert np.abs(convert(values, "ACEScg", "ACEScct") - encode(values, "log")).max() < 1e-5


def test_the_environment_names_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "studio ü.ocio"
    path.write_text(SMALL_CONFIG, encoding="utf-8")
    monkeypatch.setenv("OCIO", str(path))
    assert list(load_config().getColorSpaceNames()) == ["studio_aces", "plain"]
    assert np.array_equal(to_aces(np.ones((1, 2, 3)), "scene_linear"), np.full((1, 2, 3), 2.0, np.float32))
    assert "ACEScg" in load_config(BUILT_IN).getColorSpaceNames()
    monkeypatch.setenv("OCIO", str(tmp_path / "gone.ocio"))
    with pytest.raises(InputError, match=r"gone\.ocio cannot be read; check the path or the variable OCIO"):
        load_config()


def test_an_aces_frame_says_so_in_its_header(portrait: np.ndarray, tmp_path: Path) -> None:
    frame = Frame.from_rgb(portrait[:8, :8], metadata={"colorInteropID": "lin_ap1_scene", "studio/shot": "12"})
    for compression in ("zip", "none"):
        write_frame(tmp_path / "a.exr", aces_frame(frame, "ACEScg"), compression=compression)
        header = read_frame(tmp_path / "a.exr").metadata
        assert np.allclose(header["chromaticities"][1], (0.7347, 0.2653, 0, 1, 0.0001, -0.077, 0.32168, 0.33767))
        assert header["colorInteropID"] == "lin_ap0_scene"
        assert header["studio/shot"] == "12"
        assert header.get("acesImageContainerFlag", 0) == (compression == "none")


@pytest.mark.parametrize(
    ("space", "words"), [("acescgg", "'ACEScg'"), ("linear rec709", "Rec.709"), ("qqqqq", "for instance ACES2065-1")]
)
def test_an_unknown_space_is_answered_with_near_ones(space: str, words: str) -> None:
    with pytest.raises(InputError, match=rf"no space '{space}'; .*{words}"):
        convert(np.zeros((1, 1, 3)), space, ACES)
