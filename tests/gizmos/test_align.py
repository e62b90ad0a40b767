"""RecoveryAlign against the formula of its pictures: places, warps, frame numbers, crop, masks, and the hand's say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from film_recovery.contract.curation import AlignmentRecord, FrameAlignment, WarpRecord
from film_recovery.contract.errors import FilmRecoveryError

SOURCE, REFERENCE = (160, 120), (200, 140)


def _smooth(size: tuple[int, int], seed: int) -> Any:
    """A picture without fine detail, so that filters do not matter: (height, width, 3) float32."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    random, picture = np.random.default_rng(seed), np.zeros((size[1], size[0], 3))
    for channel in range(3):
        for _ in range(6):
            u, v, phase = [*random.uniform(-0.16, 0.16, 2), random.uniform(0, 6.3)]
            picture[..., channel] += np.sin(u * x + v * y + phase) / 6
    return (0.5 + 0.4 * picture).astype(np.float32)


def _values(matrix: Any, warp: Any = None, seed: int = 1) -> Any:
    """The formula of the picture itself at the reference's places: no filter at all, (height, width, 3)."""
    x, y = np.meshgrid(np.arange(float(SOURCE[0])), np.arange(float(SOURCE[1])))
    if warp is not None:
        x, y = x + warp[0], y + warp[1]
    back = np.linalg.inv(np.asarray(matrix))
    depth = back[2, 0] * x + back[2, 1] * y + back[2, 2]
    at = [(row[0] * x + row[1] * y + row[2]) / depth for row in back[:2]]
    random, picture = np.random.default_rng(seed), np.zeros((SOURCE[1], SOURCE[0], 3))
    for channel in range(3):
        for _ in range(6):
            u, v, phase = [*random.uniform(-0.16, 0.16, 2), random.uniform(0, 6.3)]
            picture[..., channel] += np.sin(u * at[0] + v * at[1] + phase) / 6
    return 0.5 + 0.4 * picture


def _frame(source: int, matrix: Any, reference: int | None = None, **more: Any) -> FrameAlignment:
    values: dict[str, Any] = {"warp": None, "residual_px": 0.1, "residual_p95": 0.2, "correlation": 0.9, "verdict": "aligned"}
    shown = source if reference is None else reference
    return FrameAlignment(source=source, reference=shown, matrix=np.asarray(matrix).tolist(), **{**values, **more})


def _record(frames: list[FrameAlignment], **more: Any) -> AlignmentRecord:
    values: dict[str, Any] = {"source_size": list(SOURCE), "reference_size": list(REFERENCE), "mirrored": False,
                              "crop": [0, 0, *SOURCE], "masks": []}  # fmt: skip
    return AlignmentRecord(source="a", reference="b", frames=frames, **{**values, **more})


_PERSPECTIVE = [[0.9, 0.02, -6.3], [-0.015, 0.92, 3.8], [2e-5, -3e-5, 1.0]]
_MIRRORED = [[-0.88, 0.02, 168.4], [0.012, 0.9, -2.7], [1e-5, 2e-5, 1.0]]
_SHRUNK = [[0.8, 0.0, 0.25], [0.0, 0.857, -0.4], [0.0, 0.0, 1.0]]


@pytest.fixture
def loaded(nuke: Any, read_node: Any, tmp_path: Path) -> Any:
    """Make a node of two pictures and load a record; pictures of the two sides are 1 and 2 of :func:`_smooth`."""

    def make(record: AlignmentRecord, reference: Any = None, **knobs: Any) -> Any:
        path = tmp_path / "align.json"
        record.save(path)
        sides = [read_node(_smooth(SOURCE, 2), "a"), reference or read_node(_smooth(REFERENCE, 1), "b")]
        for side in sides:
            if side.Class() == "Read":
                side["last"].setValue(2000)  # the same picture over and over
        node = nuke.nodes.RecoveryAlign(inputs=sides, retime=reference is not None, **knobs)
        node["alignment"].setValue(path.as_posix())
        from film_recovery_nuke.nodes import align

        align.load(node)
        return node

    return make


def _inside(found: Any, expected: Any, margin: int = 8) -> float:
    """The largest difference away from the reference's edges."""
    height, width = expected.shape[:2]
    assert found.shape == (height, width, 3)
    part = (slice(margin, height - margin), slice(margin, width - margin))
    seen = (found[part] != 0).all(axis=-1)
    assert seen.mean() > 0.8
    eroded = seen.copy()
    for axis in (0, 1):
        for step in range(-4, 5):
            eroded &= np.roll(seen, step, axis)
    return float(np.abs(found[part] - expected[part])[eroded].max())


# The steepest of these pictures changes by 0.064 a pixel: 1/50 px is 0.0013.
@pytest.mark.parametrize("matrix", [_PERSPECTIVE, _MIRRORED, _SHRUNK], ids=["perspective", "mirrored", "shrunk"])
def test_it_lays_the_reference_where_the_matrix_says(loaded: Any, rendered: Any, matrix: Any) -> None:
    node = loaded(_record([_frame(1, matrix)]), filter="Keys")
    assert _inside(rendered(node), _values(matrix)) < 1.3e-3


@pytest.mark.parametrize("matrix", [_PERSPECTIVE, _MIRRORED], ids=["perspective", "mirrored"])
@pytest.mark.parametrize("name", ["warp_0007.exr", "lens.exr"])
def test_a_warp_is_applied_with_one_filtering(
    loaded: Any, rendered: Any, read_node: Any, tmp_path: Path, matrix: Any, name: str
) -> None:
    """The file's values are places in the source, 0 to 1 from its lower left corner."""
    x, y = np.meshgrid(np.arange(SOURCE[0]), np.arange(SOURCE[1]))
    warp = (1.5 * np.sin(x / 60), 1.2 * np.cos(y / 45))
    places = np.stack([(x + warp[0] + 0.5) / SOURCE[0], 1 - (y + warp[1] + 0.5) / SOURCE[1], 0 * x], axis=-1)
    read_node(places.astype(np.float32), Path(name).stem)
    record = _record([_frame(1, matrix, warp="w"), _frame(2, matrix)], warps=[WarpRecord("w", [[0.0] * 7, [0.0] * 7], name)])
    node = loaded(record, filter="Keys")
    assert _inside(rendered(node), _values(matrix, warp)) < 1.3e-3
    assert _inside(rendered(node, 2), _values(matrix)) < 1.3e-3
    node["warpOn"].setValue(False)
    assert _inside(rendered(node), _values(matrix)) < 1.3e-3


def test_frames_are_paired_and_gaps_lie_between_their_neighbours(loaded: Any, nuke: Any, rendered: Any) -> None:
    """The grey of a frame tells its number; 1003 is not in the record, 1002 was rejected."""
    moves = {1001: 0.0, 1002: 40.0, 1004: 6.0}
    frames = [_frame(at, [[1, 0, move], [0, 1, 0], [0, 0, 1]], at - 990, verdict="rejected" if move == 40 else "aligned",
                     reason="blank" if move == 40 else "") for at, move in moves.items()]  # fmt: skip
    nuke.addFormat("200 140 0 0 200 140 1 reference_size")
    grey = nuke.nodes.Constant(color=0.5, format="reference_size")
    grey["color"].setExpression("frame/100")
    node = loaded(_record(frames), reference=grey, filter="Keys")
    for at, shown in ((1001, 11), (1002, 12), (1003, 13), (1004, 14)):
        assert rendered(node, at)[60, 80, 0] == pytest.approx(shown / 100, abs=1e-5)
    assert [node["to1"].getValueAt(at, 0) for at in (900, 1001, 1002, 1003, 1004, 1100)] == pytest.approx([0, 0, 2, 4, 6, 6])
    assert node["rejectedFrames"].value() == "1002"
    assert "Not in the record, taken from their neighbours: 1003" in node["status"].value()
    node["retime"].setValue(False)
    assert rendered(node, 40)[60, 80, 0] == pytest.approx(0.4, abs=1e-5)


def test_a_record_counts_files_and_the_keys_count_project_frames(loaded: Any, nuke: Any, rendered: Any) -> None:
    """The source is shifted by an offset, the reference conformed: each branch is followed to its files."""
    from film_recovery_nuke.nodes import align

    nuke.addFormat("200 140 0 0 200 140 1 reference_size")
    grey = nuke.nodes.Constant(color=0.5, format="reference_size")
    grey["color"].setExpression("frame/100")
    frames = [_frame(at, [[1, 0, at - 11], [0, 1, 0], [0, 0, 1]], at + 20) for at in (11, 12, 14)]
    node = loaded(_record(frames), reference=grey, filter="Keys")
    node.setInput(0, nuke.nodes.TimeOffset(inputs=[node.input(0)], time_offset=90))
    moved = nuke.nodes.TimeWarp(inputs=[grey], filter="nearest")
    moved["lookup"].fromScript("{{curve L x101 31 x102 32 x103 32 x104 34}}")  # 103 has no picture: the one before is held
    node.setInput(1, moved)
    align.load(node)
    assert [node["referenceFrame"].getValueAt(at) for at in (101, 102, 104)] == [101, 102, 104]
    assert [node["to1"].getValueAt(at, 0) for at in (101, 102, 103, 104)] == pytest.approx([0, 1, 2, 3])
    for at, shown in ((101, 31), (102, 32), (104, 34)):
        assert rendered(node, at)[60, 80, 0] == pytest.approx(shown / 100, abs=1e-5)
    assert "numbers of the source's files" in node["status"].value()
    hold = nuke.nodes.FrameHold(inputs=[node.input(0)])
    hold["firstFrame" if "firstFrame" in hold.knobs() else "first_frame"].setValue(150)
    node.setInput(0, hold)
    with pytest.raises(FilmRecoveryError, match="show none"):
        align.load(node)


def test_both_sides_get_the_same_crop_and_masks(loaded: Any, nuke: Any, rendered: Any) -> None:
    node = loaded(_record([_frame(1, _SHRUNK)], crop=[10, 20, 100, 80], masks=[[30, 40, 20, 10]]))
    source = _smooth(SOURCE, 2)[20:100, 10:110]
    node["output"].setValue("source")
    assert np.array_equal(rendered(node), source)
    assert (node.width(), node.height()) == (100, 80)
    node["masks"].setValue("multiplied")
    from film_recovery_nuke.nodes import align

    other = align.create_source(node)
    masked = source.copy()
    masked[20:30, 20:40] = 0
    assert np.array_equal(rendered(other), masked)
    node["output"].setValue("aligned reference")
    assert not rendered(node)[20:30, 20:40].any()
    assert rendered(node)[19, 19:41].all()
    node["cropBox"].setValue([10, 20, 60, 50])
    assert rendered(other).shape == rendered(node).shape == (30, 50, 3)
    for name in ("difference", "wipe"):
        node["output"].setValue(name)
        assert rendered(node).shape == (30, 50, 3)


def test_a_hand_overrides_the_machine_at_its_frames_alone(loaded: Any, nuke: Any, rendered: Any) -> None:
    node = loaded(_record([_frame(at, _SHRUNK) for at in (1, 2, 3, 4)]), handTranslate=[5, 0])
    from film_recovery_nuke.nodes import align

    before = rendered(node, 2)
    nuke.frame(2)
    align.hand_here(node)
    assert np.allclose(rendered(node, 2)[:, 20:], before[:, 15:-5], atol=1e-6)
    nuke.frame(3)
    align.hand_here(node)
    assert [node["useHand"].getValueAt(at) for at in (1, 2, 3, 4)] == [0, 1, 1, 0]
    align.automatic_here(node)
    assert [node["useHand"].getValueAt(at) for at in (1, 2, 3, 4)] == [0, 1, 0, 0]
    assert np.array_equal(rendered(node, 3), before)
    align.load(node)
    assert node["useHand"].getValueAt(2) == 1


def test_what_cannot_be_loaded_is_said(loaded: Any, nuke: Any) -> None:
    with pytest.raises(FilmRecoveryError, match="160 x 120 pixels, in the alignment it was 320 x 240"):
        loaded(_record([_frame(1, _SHRUNK)], source_size=[320, 240]))
    with pytest.raises(FilmRecoveryError, match="Every frame of this alignment was rejected"):
        loaded(_record([_frame(1, _SHRUNK, verdict="rejected")]))


def test_the_copied_warps_of_an_earlier_alignment_stay(nuke: Any, tmp_path: Path) -> None:
    from film_recovery_nuke.nodes import align

    def numbers(*contents: bytes) -> list[int]:
        warps = [WarpRecord(name, [[0.0] * 7, [0.0] * 7], f"{name}.exr") for name in "ab"]
        for warp, content in zip(warps, contents):
            (tmp_path / warp.stmap).write_bytes(content)
        return list(align._warps(_record([_frame(1, np.eye(3))], warps=warps), tmp_path / "align.json")[0].values())

    assert numbers(b"one", b"two") == [1, 2]
    assert numbers(b"six", b"two") == [3, 2]
    assert [path.read_bytes() for path in sorted((tmp_path / align.WARP_FOLDER).iterdir())] == [b"one", b"two", b"six"]
