"""The page Curate: commands that run outside, records read back, decisions that land in the graph."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from film_recovery.contract.curation import (
    AlignmentRecord,
    ChosenPair,
    FrameAlignment,
    MatchRecord,
    ScopeRecord,
    Segment,
    SelectionRecord,
)


@pytest.fixture
def page(nuke: Any, reads: Any, tmp_path: Path) -> Iterator[Any]:
    """The page on a saved script with both elements set."""
    pytest.importorskip("film_recovery_nuke.panels.qt", exc_type=ImportError)
    from film_recovery_nuke.panels.qt import QtWidgets

    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    assert application is not None
    source, reference = reads(nuke)
    nuke.scriptSaveAs(str(tmp_path / "s.nk"), 1)
    from film_recovery_nuke.panels.main_panel import FilmRecoveryPanel

    panel = FilmRecoveryPanel()
    panel.state.names.update(source=source.name(), reference=reference.name())
    panel.go(1)
    panel.show()
    yield panel.pages[1]
    panel.close()


def _until(page: Any, tab: Any, state: str) -> None:
    from film_recovery_nuke import curation
    from film_recovery_nuke.panels.qt import QtWidgets

    end = time.monotonic() + 90
    while curation.standing(tab.folder()).state != state:
        QtWidgets.QApplication.processEvents()
        assert time.monotonic() < end, curation.standing(tab.folder())
        time.sleep(0.05)
    tab.refresh()


def _texts(table: Any) -> list[list[str]]:
    return [[table.item(row, column).text() for column in range(table.columnCount())] for row in range(table.rowCount())]


def _match(segments: list[Segment]) -> MatchRecord:
    return MatchRecord("a", "b", False, [[1, 0, 0], [0, 1, 0], [0, 0, 1]], segments, [[1006, 1008]], [], notes=["One splice."])


def test_a_command_runs_outside_and_is_found_again(page: Any, fake_worker: Callable[..., Path]) -> None:
    tab = page.tabs[1]
    fake_worker("print('frame 3 of 12', file=sys.stderr, flush=True)\ntime.sleep(60)")
    tab.start()
    end = time.monotonic() + 20
    while "frame 3 of 12" not in tab.status.text():
        tab.refresh()
        assert time.monotonic() < end, tab.status.text()
        time.sleep(0.05)
    assert not tab.start_button.isEnabled()
    tab.stop()
    tab.refresh()
    assert tab.status.text().startswith("Running")
    tab.cancel()
    _until(page, tab, "failed")
    assert tab.start_button.isEnabled()
    assert "did not finish" in tab.status.text()


def test_the_real_worker_says_why_it_cannot(page: Any, nuke: Any, worker: Path, tmp_path: Path) -> None:
    tab = page.tabs[1]
    nuke.toNode("Source")["file"].setValue((tmp_path / "gone.####.exr").as_posix())
    tab.start()
    _until(page, tab, "failed")
    assert "gone" in tab.status.text()


def test_matched_stretches_become_offsets(page: Any, nuke: Any) -> None:
    tab = page.tabs[1]
    folder = tab.folder()
    folder.mkdir(parents=True)
    segments = [Segment(1001, 1003, 5, 0.97, [0, 0, 2, 0, 0]), Segment(1009, 1010, 3, 0.8, [0, 0, 0])]
    _match(segments).save(folder / "match.json")
    tab.refresh()
    assert _texts(tab.table)[0] == ["1001-1005", "1003-1007", "5", "-2", "0.97", "1"]
    tab.table.itemDoubleClicked.emit(tab.table.item(1, 0))
    assert nuke.frame() == 1009
    switch = tab.build()
    assert [switch.input(number)["time_offset"].value() for number in (0, 1)] == [-2, -1]
    assert [switch["which"].getValueAt(at) for at in (1001, 1008, 1009, 1011)] == [0, 0, 1, 1]
    _match(segments[:1]).save(folder / "match.json")
    assert tab.build().Class() == "TimeOffset"


def test_chosen_pairs_go_to_the_table_and_back_as_frames_to_keep(page: Any, qt_pairs: Any) -> None:
    tab = page.tabs[2]
    folder = tab.folder()
    folder.mkdir(parents=True)
    pairs = [ChosenPair(1001, 1003, False, "skin", adds=["warm light"]), ChosenPair(1005, 1007, True, "between two scenes")]
    SelectionRecord("a", "b", "scene", pairs, [ScopeRecord("scene 1", 1001, 1012, 0.8, ["deep blue"])],
                    [{"source": 1002, "reason": "a splice"}]).save(folder / "pairs.json")  # fmt: skip
    tab.refresh()
    assert _texts(tab.table)[0] == ["1001", "1003", "", "skin; warm light", "sequence"]
    assert "deep blue not covered" in tab.notes.text()
    tab.take()
    assert [(pair.source, pair.reference, pair.held_out, pair.reason) for pair in qt_pairs(page)] == [
        (1001, 1003, False, "skin"), (1005, 1007, True, "between two scenes")]  # fmt: skip
    from film_recovery_nuke import pair_list

    assert pair_list.load(folder / "pairs.json") == qt_pairs(page)  # Import reads the record too
    tab.keep_mine()
    tab.avoid.setText("1002")
    assert tab.options() == ["--pairs", "auto", "--scope", "sequence", "--keep", "1001,1005", "--avoid", "1002"]


@pytest.fixture
def qt_pairs() -> Callable[[Any], Any]:
    """The pairs in the panel's table."""
    return lambda page: page.window().pages[2].table.pairs()


def test_an_alignment_becomes_a_node_and_is_brought_up_to_date(page: Any, nuke: Any) -> None:
    tab = page.tabs[3]
    folder = tab.folder()
    folder.mkdir(parents=True)
    frames = [
        FrameAlignment(at, at + 2, [[1, 0, 1.5], [0, 1, 0], [0, 0, 1]], None, 0.1, 0.3, 0.9, verdict, reason)
        for at, verdict, reason in ((1001, "aligned", ""), (1002, "rejected", "a flash"), (1003, "doubtful", "little detail"))
    ]
    record = AlignmentRecord("a", "b", [128, 96], [128, 96], False, [4, 2, 120, 92], [], frames)
    record.save(folder / "align.json")
    tab.refresh()
    assert [row[2:] for row in _texts(tab.table)] == [["rejected", "0.10", "a flash"], ["doubtful", "0.10", "little detail"],
                                                      ["aligned", "0.10", ""]]  # fmt: skip
    node = tab.create()
    assert (node["cropBox"].value(), node["rejectedFrames"].value()) == ([4, 2, 124, 94], "1002")
    assert node["to1"].getValueAt(1002, 0) == pytest.approx(1.5)
    assert node["referenceFrame"].getValueAt(1002) == 1004
    for other in nuke.allNodes():
        other.setSelected(other.name() == node.name())
    AlignmentRecord("a", "b", [128, 96], [128, 96], False, [0, 0, 100, 96], [], frames[:1]).save(folder / "align.json")
    tab.update_selected()
    assert node["cropBox"].value() == [0, 0, 100, 96]
