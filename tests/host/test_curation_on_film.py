"""The page Curate from the first button to the training's knobs, with the real worker, on two small spliced reels."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from film_recovery.contract.analysis import load_analysis
from film_recovery.contract.curation import load_alignment, load_match, load_selection

A, B = 1001, 5001  # the numbers of the two reels' first frames


def _open(nuke: Any, reels: Path, script: Path) -> Any:
    """A new panel on a script with both reels."""
    pytest.importorskip("film_recovery_nuke.panels.qt", exc_type=ImportError)
    from film_recovery_nuke.panels.qt import QtWidgets

    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    assert application is not None
    if nuke.toNode("Neg") is None:
        root = nuke.root()
        root["first_frame"].setValue(A)
        root["last_frame"].setValue(A + 22)
        root["format"].setValue("320 180 0 0 320 180 1 small")
        for name, first, last in (("neg", A, A + 22), ("pos", B, B + 23)):
            files = (reels / f"{name}.####.exr").as_posix()
            nuke.nodes.Read(file=files, file_type="exr", first=first, last=last, raw=True, name=name.capitalize())
        nuke.scriptSaveAs(str(script), 1)
    from film_recovery_nuke.panels.main_panel import FilmRecoveryPanel

    panel = FilmRecoveryPanel()
    panel.state.set("source", nuke.toNode("Neg"))
    panel.state.set("reference", nuke.toNode("Pos"))
    panel.go(1)
    panel.show()
    return panel


@pytest.fixture
def panel(nuke: Any, worker: Path, reels: Path, tmp_path: Path) -> Iterator[Any]:
    """The panel on a saved script with both reels set."""
    made = _open(nuke, reels, tmp_path / "s.nk")
    yield made
    made.close()


def _wait(tab: Any, wanted: str = "Finished.") -> list[str]:
    """Let Qt and the command work until the tab says so; returns what it said on the way."""
    from film_recovery_nuke.panels.qt import QtWidgets

    said: list[str] = []
    end = time.monotonic() + 90
    while not tab.status.text().startswith(wanted):
        QtWidgets.QApplication.processEvents()
        tab.refresh()
        said.append(tab.status.text())
        assert time.monotonic() < end, said[-3:]
        time.sleep(0.05)
    return said


def _column(table: Any, column: int) -> list[str]:
    return [table.item(row, column).text() for row in range(table.rowCount())]


def _is_right(reels: Path, source: int, reference: int) -> bool:
    """Whether two files show the same truth."""
    ours, theirs = json.loads((reels / "shown.json").read_text(encoding="utf-8"))
    return bool(ours[source - A] == theirs[reference - B])


def test_from_two_reels_to_the_knobs_of_a_training(panel: Any, nuke: Any, reels: Path) -> None:
    from film_recovery_nuke import needs
    from film_recovery_nuke.graph import Pair
    from film_recovery_nuke.panels import curate_page

    analyse, match, select, align = panel.pages[1].tabs
    analyse.start()
    said = _wait(analyse)
    assert any(text.startswith("Running: ") for text in said)
    record = load_analysis(analyse.folder() / "analysis.json")
    shots = [f"{shot.first}-{shot.last}" for element in record.elements for shot in element.shots]
    assert [text for text in _column(analyse.table, 1) if text not in ("1001-1023", "5001-5024")] == shots
    assert "neg.####.exr" in analyse.notes.text() and str(reels) not in analyse.notes.text()
    assert not analyse.bar.isVisible() and analyse.start_button.isEnabled()
    gaps = dataclasses.replace(record.elements[0], missing="1003,1005-1006", broken={"1007": "it is no picture"})
    assert curate_page._condition(gaps).endswith(" No files: 1003,1005-1006. Unreadable: 1007.")

    panel.pages[1].go(1)
    match.start()
    _wait(match)
    matched = load_match(match.folder() / "match.json")
    assert _column(match.table, 2) == [str(part.length) for part in matched.segments]
    assert len(matched.segments) > 1 and all(_is_right(reels, *pair) for pair in matched.partners().items())
    moved = match.build()
    assert all(needs.shown_frame(moved, file) == partner for file, partner in matched.partners().items())

    panel.pages[1].go(2)
    pairs = panel.pages[2].table
    own = sorted(matched.partners().items())[8]
    pairs.add(Pair(*own, False, "her hat", by_hand=True))
    select.refresh()
    select.count.setText("3")
    select.start()
    _wait(select)
    node = select.use()
    chosen = load_selection(select.folder() / "pairs.json")
    assert [(pair.source, pair.reason) for pair in chosen.pairs if pair.by_hand] == [(own[0], "her hat")]
    assert {(pair.source, pair.reference) for pair in pairs.pairs()} == {(p.source, p.reference) for p in chosen.pairs}
    assert all(_is_right(reels, pair.source, pair.reference) for pair in pairs.pairs())
    assert pairs.found().record == chosen
    # the training hangs on the moved reference, which shows every partner at the source's frame
    assert (node.input(0).name(), node.input(1).name(), node["referenceFrames"].value()) == ("Neg", moved.name(), "")
    assert sorted(_frames(node, "frames")) == [pair.source for pair in chosen.training]
    assert sorted(_frames(node, "heldOut")) == [pair.source for pair in chosen.held_out]
    node.setInput(1, nuke.toNode("Pos"))
    panel.pages[4].use_pairs()
    assert node["referenceFrames"].value() == ", ".join(f"{pair.source}:{pair.reference}" for pair in chosen.pairs)

    panel.pages[1].go(3)
    align.use_pairs()
    align.start()
    _wait(align)
    laid = load_alignment(align.folder() / "align.json")
    assert {frame.source: frame.reference for frame in laid.frames} == {p.source: p.reference for p in chosen.pairs}
    assert {frame.verdict for frame in laid.frames} == {"aligned"}
    assert sorted(_column(align.table, 0)) == sorted(str(pair.source) for pair in chosen.pairs)
    made = align.create()
    assert panel.state.branch("reference").name() == made.name()
    assert panel.state.branch("source")["output"].value() == "source"
    assert not align.picture.pixmap().isNull()
    nuke.delete(node)
    panel.go(4)
    again = panel.pages[4].use_pairs()
    assert (again.input(1).name(), again["referenceFrames"].value()) == (made.name(), "")
    assert again["frames"].value() == format_of(chosen.training)


def format_of(pairs: Any) -> str:
    """Frames as the knob has them."""
    from film_recovery_nuke.frames import format_frames

    return format_frames(pair.source for pair in pairs)


def _frames(node: Any, knob: str) -> list[int]:
    from film_recovery_nuke.frames import parse_frames

    return parse_frames(node[knob].value())


def test_what_was_stopped_goes_on_and_a_closed_panel_finds_it_again(panel: Any, nuke: Any, reels: Path, tmp_path: Path) -> None:
    tab = panel.pages[1].tabs[0]
    tab.start()
    _wait(tab, "Running: Looking through")
    tab.cancel()
    _wait(tab, "Stopped")
    assert tab.status.text().endswith("Press Start to go on.") and tab.table.rowCount() == 0
    tab.start()
    panel.close()  # the command goes on
    other = _open(nuke, reels, tmp_path / "s.nk")
    try:
        tab = other.pages[1].tabs[0]
        _wait(tab)
        assert tab.table.rowCount() > 2
        nuke.toNode("Neg")["file"].setValue((reels / "other.####.exr").as_posix())
        tab.refresh()
        assert "other files" in tab.status.text()
    finally:
        other.close()


def test_a_persons_mistake_is_told_in_a_sentence(panel: Any, nuke: Any, reels: Path) -> None:
    from film_recovery_nuke.graph import Pair

    analyse, _, select, align = panel.pages[1].tabs
    nuke.toNode("Neg")["file"].setValue((reels / "nowhere" / "neg.####.exr").as_posix())
    select.keep.setText("1001-")
    panel.pages[2].table.add(Pair(1005, 9999, by_hand=True))
    align.frames.setText("1005")
    for tab in (analyse, align):  # each a folder of its own, side by side
        tab.start()
    for tab, told in ((analyse, "nowhere"), (align, "nowhere")):
        _wait(tab, "It did not finish: ")
        assert told in tab.status.text() and "{" not in tab.status.text()
    nuke.toNode("Neg")["file"].setValue((reels / "neg.####.exr").as_posix())
    select.start()
    _wait(select, "It did not finish: ")
    assert "1001-" in select.status.text() and "{" not in select.status.text()
    assert select.start_button.isEnabled() and not select.cancel_button.isEnabled()
