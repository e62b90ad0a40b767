"""The page Curate: commands that run outside, records read back, decisions that land in the graph."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
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
    load_selection,
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


def _one_step(nuke: Any, work: Callable[[], Any]) -> Any:
    """Do some work, and see that all that it changes in the script lies in one step of undo."""

    def script() -> list[str]:
        return sorted(node.fullName() + node.writeKnobs(nuke.TO_SCRIPT) for node in nuke.allNodes())

    steps: list[tuple[str, list[str]]] = []
    begin, end = nuke.Undo.begin, nuke.Undo.end
    nuke.Undo.begin = staticmethod(lambda name="": steps.append(("begin", script())))
    nuke.Undo.end = staticmethod(lambda: steps.append(("end", script())))
    before = script()
    try:
        found = work()
    finally:
        nuke.Undo.begin, nuke.Undo.end = staticmethod(begin), staticmethod(end)
    assert steps == [("begin", before), ("end", script())]
    assert script() != before
    return found


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


def test_a_match_moves_the_reference_in_time(page: Any, nuke: Any) -> None:
    from film_recovery_nuke import needs
    from film_recovery_nuke.graph import Pair

    tab = page.tabs[1]
    folder = tab.folder()
    folder.mkdir(parents=True)
    segments = [Segment(1001, 1003, 5, 0.97, [0, 0, 2, 0, 0]), Segment(1009, 1010, 3, 0.8, [0, 0, 0])]
    _match(segments).save(folder / "match.json")
    tab.refresh()
    assert _texts(tab.table)[0] == ["1001-1005", "1003-1007", "5", "-2", "0.97", "1"]
    tab.table.itemDoubleClicked.emit(tab.table.item(1, 0))
    assert nuke.frame() == 1009
    made = _one_step(nuke, tab.build)
    assert [needs.shown_frame(made, at) for at in (1001, 1005, 1007, 1009, 1011)] == [1003, 1007, 1007, 1010, 1012]
    _match(segments[:1]).save(folder / "match.json")
    made = _one_step(nuke, tab.build)
    assert (made.Class(), needs.shown_frame(made, 1002)) == ("TimeOffset", 1004)
    both = _one_step(nuke, tab.conform_both)
    assert (needs.shown_frame(both[0], 1003), needs.shown_frame(both[1], 1003)) == (1003, 1005)
    nuke.root()["first_frame"].setValue(101)
    both = tab.conform_both()
    assert (needs.shown_frame(both[0], 103), needs.shown_frame(both[1], 103)) == (1003, 1005)
    page.window().pages[2].table.set_pairs([Pair(1002, 1004), Pair(1004, 1006, True)])
    node = page.window().pages[4].use_pairs()
    assert (node.input(0).name(), node.input(1).name()) == (both[0].name(), both[1].name())
    assert [node[knob].value() for knob in ("frames", "heldOut", "referenceFrames")] == ["102", "104", ""]
    nuke.frame(105)
    page.window().pages[2].add_current()
    own = page.window().pages[2].table.pairs()[-1]
    assert (own.source, own.reference, own.by_hand) == (1005, 1007, True)


def test_chosen_pairs_go_to_the_table_and_a_persons_own_to_the_next_selection(page: Any, nuke: Any, qt_pairs: Any) -> None:
    from film_recovery_nuke.graph import Pair

    tab, table = page.tabs[2], page.window().pages[2].table
    folder = tab.folder()
    folder.mkdir(parents=True)
    pairs = [ChosenPair(1001, 1003, False, "skin", adds=["warm light"]), ChosenPair(1005, 1007, True, "between two scenes")]
    record = SelectionRecord("a", "b", "scene", pairs, [ScopeRecord("scene 1", 1001, 1012, 0.8, ["deep blue"])],
                             [{"source": 1002, "last": 1003, "reason": "a splice"}])  # fmt: skip
    record.save(folder / "pairs.json")
    tab.refresh()
    assert _texts(tab.table)[0] == ["1001", "1003", "", "", "sequence", "skin; warm light"]
    assert _texts(tab.table)[2][:3] == ["1002-1003", "", "passed over"]
    assert "deep blue not covered" in tab.notes.text()
    tab.avoid.setText("1002")
    assert tab.options(folder) == ["--pairs", "auto", "--scope", "sequence", "--avoid", "1002"]
    tab.take()
    page.window().pages[2].write_file(folder / "again.json")
    assert load_selection(folder / "again.json") == record  # nothing is lost on the way
    table.add(Pair(1009, 1010, False, "her hat", by_hand=True))
    table._table.item(1, 6).setText("dusk")
    tab.refresh()
    assert "(2)" in tab.mine.text()
    assert tab.options(folder)[-2:] == ["--picks", str(folder / "picks.json")]
    mine = [(pair.source, pair.reason) for pair in load_selection(folder / "picks.json").pairs if pair.by_hand]
    assert mine == [(1005, "dusk"), (1009, "her hat")]
    tab.take()  # a selection that knows nothing of them does not drop them
    assert [(pair.source, pair.reason, pair.adds, pair.by_hand) for pair in qt_pairs(page)] == [
        (1001, "skin", ("warm light",), False), (1005, "dusk", (), True), (1009, "her hat", (), True)]  # fmt: skip
    node = _one_step(nuke, tab.use)
    assert [node[knob].value() for knob in ("frames", "heldOut", "referenceFrames")] == [
        "1001,1009", "1005", "1001:1003, 1005:1007, 1009:1010"]  # fmt: skip
    tab.mine.setChecked(False)
    assert "--picks" not in tab.options(folder)


def test_a_row_keeps_what_it_knows_until_its_frame_changes(page: Any, qt_pairs: Any) -> None:
    from film_recovery_nuke.graph import Pair
    from film_recovery_nuke.panels.qt import Qt

    table = page.window().pages[2].table
    table.set_pairs([Pair(1001, 1003, False, "skin", "shot 1", ("warm light",)), Pair(1004, 1006, False, "sky", "shot 1")])
    items = table._table
    items.item(0, 4).setCheckState(Qt.Checked)
    assert qt_pairs(page)[0] == Pair(1001, 1003, True, "skin", "shot 1", ("warm light",), True)
    items.item(0, 2).setText("1004")  # stands there already
    assert items.item(0, 2).text() == "1001"
    items.item(0, 2).setText("1009")
    assert qt_pairs(page) == [Pair(1004, 1006, False, "sky", "shot 1"), Pair(1009, 1003, True, "skin", "", (), True)]
    items.selectRow(0)  # row 0 is now the later one
    table.remove_selected()
    assert [pair.source for pair in qt_pairs(page)] == [1004]


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
    node = _one_step(nuke, tab.create)
    assert {made["output"].value() for made in nuke.allNodes("RecoveryAlign")} == {"source", "aligned reference"}
    assert (node["cropBox"].value(), node["rejectedFrames"].value()) == ([4, 2, 124, 94], "1002")
    assert node["to1"].getValueAt(1002, 0) == pytest.approx(1.5)
    assert node["referenceFrame"].getValueAt(1002) == 1004
    for other in nuke.allNodes():
        other.setSelected(other.name() == node.name())
    AlignmentRecord("a", "b", [128, 96], [128, 96], False, [0, 0, 100, 96], [], frames[:1]).save(folder / "align.json")
    tab.update_selected()
    assert node["cropBox"].value() == [0, 0, 100, 96]


def test_a_match_of_other_files_is_not_handed_on(page: Any, nuke: Any, fake_worker: Callable[..., Path]) -> None:
    from film_recovery_nuke import curation
    from film_recovery_nuke.errors import HostError

    match, select = page.tabs[1], page.tabs[2]
    fake_worker("")
    match.start()
    _until(page, match, "failed")
    _match([Segment(1001, 1003, 5, 0.97, [0, 0, 2, 0, 0])]).save(match.folder() / "match.json")
    words = curation.arguments("select", *select.files(), select.folder())
    assert words[words.index("--match") + 1] == str(match.folder() / "match.json")
    nuke.toNode("Source")["file"].setValue("/elsewhere/source.####.exr")
    with pytest.raises(HostError, match=r"The match in .*match is of other files; run Match again"):
        curation.arguments("select", *select.files(), select.folder())
    assert "--match" not in curation.arguments("match", *match.files(), match.folder())
    with pytest.raises(HostError, match=r"match\.json is of other files than the Reads name now; press Start"):
        match.record()
    fake_worker("sys.exit('no such files')")
    match.start()
    _until(page, match, "failed")
    with pytest.raises(HostError, match=r"There is no match\.json yet"):
        match.record()


def test_a_command_that_runs_on_another_machine_is_running(page: Any) -> None:
    from film_recovery.contract.run_folder import RunFolder
    from film_recovery_nuke import curation
    from film_recovery_nuke import worker as module
    from film_recovery_nuke.errors import HostError

    tab = page.tabs[1]
    folder = tab.folder()
    folder.mkdir(parents=True)
    words = curation.arguments("match", *tab.files(), folder)
    (folder / "request.json").write_text(json.dumps({"arguments": words}), encoding="utf-8")
    (folder / module.PROCESS).write_text("1 another-machine\n", encoding="utf-8")
    (folder / module.LOG).write_text("frame 3/12\n", encoding="utf-8")
    with RunFolder(folder).locked():
        assert curation.standing(folder) == curation.Standing("running", "frame 3/12", 3, 12)
        with pytest.raises(HostError, match="runs already"):
            curation.start(words, folder)
        with pytest.raises(HostError, match="started on another machine or by hand"):
            curation.cancel(folder)
    assert curation.standing(folder).state == "failed"


def test_the_process_of_a_command_that_has_ended_is_a_strangers(page: Any) -> None:
    """The system gives process ids out again; who has another's must not be taken for the command, nor be ended."""
    from film_recovery_nuke import curation
    from film_recovery_nuke import worker as module
    from film_recovery_nuke.errors import HostError

    folder = page.tabs[1].folder()
    folder.mkdir(parents=True)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (folder / "request.json").write_text('{"arguments": ["match"]}', encoding="utf-8")
        (folder / module.PROCESS).write_text(f"{stranger.pid} {platform.node()}\n", encoding="utf-8")
        (folder / module.LOG).write_text("frame 3/12\n", encoding="utf-8")
        assert curation.standing(folder) == curation.Standing("running", "frame 3/12", 3, 12)
        with pytest.raises(HostError, match="is still starting; cancel it again in a moment"):
            curation.cancel(folder)
        long_ago = time.time() - 3600.0
        os.utime(folder / module.PROCESS, (long_ago, long_ago))
        assert curation.standing(folder) == curation.Standing("failed", "frame 3/12")  # it would hold its folder by now
        assert not curation.cancel(folder)
        (folder / module.LOG).write_text('frame 3/12\n{"error": "The disk is full.", "exit_code": 8}\n', encoding="utf-8")
        assert curation.standing(folder) == curation.Standing("failed", "The disk is full.")
        assert not curation.cancel(folder)
        (folder / module.LOG).unlink()
        _match([]).save(folder / "match.json")
        assert curation.standing(folder).state == "finished"
        assert not curation.cancel(folder)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_command_of_another_user_cannot_be_cancelled(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from film_recovery.contract.run_folder import RunFolder
    from film_recovery_nuke import curation
    from film_recovery_nuke import worker as module
    from film_recovery_nuke.errors import HostError

    folder = page.tabs[1].folder()
    folder.mkdir(parents=True)
    (folder / "request.json").write_text('{"arguments": ["match"]}', encoding="utf-8")
    (folder / module.PROCESS).write_text(f"{os.getpid()} {platform.node()}\n", encoding="utf-8")

    def kill(_process: int, number: int) -> None:
        if number:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", kill)
    with RunFolder(folder).locked(), pytest.raises(HostError, match="was started by another user, who alone can end it"):
        curation.cancel(folder)
