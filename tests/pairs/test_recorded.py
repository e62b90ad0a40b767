"""A training on an alignment that was made before lies where the record says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from film_recovery.contract.curation import AlignmentRecord, FrameAlignment, WarpRecord
from film_recovery.contract.errors import InputError
from film_recovery.pairs.deformation import NO_WARP, position_map, reference_points
from film_recovery.pairs.recorded import affine_part, load_recorded
from film_recovery.pairs.registration import warp
from film_recovery.pairs.rules import verify_registration

SIZE = (160, 90)


def record() -> AlignmentRecord:
    """One frame, moved and bent."""
    matrix = [[0.98, 0.01, 2.5], [-0.008, 0.985, -1.25], [0.0, 0.0, 1.0]]
    coefficients = [[0.8, -0.3, 0.2, 0.1, 0.0, 0.0, -0.1], [0.0, 0.4, -0.6, 0.0, 0.2, 0.0, 0.1]]
    frame = FrameAlignment(1001, 86400, matrix, "shot", 0.1, 0.3, 0.9, "aligned")
    rejected = FrameAlignment(1002, 86401, matrix, None, None, None, 0.1, "rejected", "different pictures")
    warps = [WarpRecord("shot", coefficients, "warp.shot.exr")]
    return AlignmentRecord("a", "b", list(SIZE), [180, 100], False, [0, 0, 160, 90], [], [frame, rejected], warps)


def test_a_pair_lies_as_recorded(tmp_path: Path) -> None:
    record().save(tmp_path / "align.json")
    recorded = load_recorded(tmp_path / "align.json", ("a", "b"))
    found = recorded.registration(1001, 86400, ((90, 160, 3), (100, 180, 3)))
    assert found.matches and found.residual_px == 0.1
    ramp = np.stack([*np.meshgrid(np.arange(180.0), np.arange(100.0)), np.zeros((100, 180))], axis=-1).astype(np.float32)
    moved = warp(ramp, found, (90, 160))
    entry = record()
    there = position_map(entry.frames[0].matrix, entry.warps[0].coefficients, SIZE)
    inside = (there[..., 0] > 4) & (there[..., 0] < 175) & (there[..., 1] > 4) & (there[..., 1] < 95)
    np.testing.assert_allclose(
        moved[inside][:, :2], there[inside], atol=0.035
    )  # positions are rounded to 1/32; a ramp's values are its positions
    refused = recorded.registration(1002, 86401, ((90, 160, 3), (100, 180, 3)))
    assert not refused.matches and not verify_registration(1001, 86400, "chroma", found)
    (finding,) = verify_registration(1002, 86401, "chroma", refused)
    assert finding.severity == "error"
    assert "rejects source frame 1002" in finding.message and "different pictures" in finding.message


def test_what_the_alignment_doubts_is_told_before_training(tmp_path: Path) -> None:
    made = record()
    made.frames[0] = dataclasses.replace(made.frames[0], verdict="doubtful", reason="flash in the source")
    made.save(tmp_path / "align.json")
    found = load_recorded(tmp_path / "align.json", ("a", "b")).registration(1001, 86400, ((90, 160, 3), (100, 180, 3)))
    (finding,) = verify_registration(1001, 86400, "chroma", found)
    assert found.matches and finding.severity == "warning"
    assert finding.message.startswith("The alignment doubts frame 1001 (flash in the source)")


def test_what_the_record_does_not_hold_is_refused(tmp_path: Path) -> None:
    record().save(tmp_path / "align.json")
    recorded = load_recorded(tmp_path / "align.json", ("a", "b"))
    with pytest.raises(InputError, match="does not align source frame 1001 with reference frame 7"):
        recorded.registration(1001, 7, ((90, 160, 3), (100, 180, 3)))
    with pytest.raises(InputError, match="align these files"):
        recorded.registration(1001, 86400, ((90, 160, 3), (90, 160, 3)))
    damaged = dataclasses.asdict(record())
    (tmp_path / "other.json").write_text(str(damaged), encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        load_recorded(tmp_path / "other.json", ("a", "b"))


@pytest.mark.parametrize("tilt", [(0.0, 0.0), (2e-5, -1e-5), (4e-5, 3e-5)])
def test_a_tilt_becomes_warp(tilt: tuple[float, float]) -> None:
    matrix = np.array([[1.01, 0.01, 3.0], [-0.01, 0.99, -2.0], [*tilt, 1.0]])
    size = [960, 540]
    affine, bent = affine_part(matrix, NO_WARP, size)
    x, y = np.meshgrid(np.linspace(0, 959, 13), np.linspace(0, 539, 9))
    points = np.stack([x.ravel(), y.ravel()], axis=-1)
    plain = np.linalg.inv(np.vstack([affine, [0.0, 0.0, 1.0]]))
    np.testing.assert_allclose(
        reference_points(points, plain, bent, size), reference_points(points, matrix, NO_WARP, size), atol=0.08
    )
