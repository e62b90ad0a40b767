"""The panels, with real widgets drawn offscreen: legible, reachable, and quick to answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from film_recovery.contract.events import EventLog
from film_recovery.contract.findings import Finding
from film_recovery.contract.run_folder import RunFolder


@pytest.fixture
def qt(nuke: Any) -> Any:
    """The Qt shim with an application; skipped where no binding is installed."""
    pytest.importorskip("PySide6", reason="no PySide6") if not _has_pyside2() else None
    from film_recovery_nuke.panels import qt as shim

    application = shim.QtWidgets.QApplication.instance() or shim.QtWidgets.QApplication([])
    application.setStyle("Fusion")
    return shim


def _has_pyside2() -> bool:
    try:
        import PySide2  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.fixture
def panel(qt: Any, nuke: Any, reads: Any, tmp_path: Path) -> Iterator[Any]:
    """The panel on a saved script with both elements set."""
    source, reference = reads(nuke)
    nuke.scriptSaveAs(str(tmp_path / "s.nk"), 1)
    from film_recovery_nuke.panels.main_panel import FilmRecoveryPanel

    made = FilmRecoveryPanel()
    made.state.names.update(source=source.name(), reference=reference.name())
    made.show()
    yield made
    made.close()


def _turn(qt: Any, until: Any = None, seconds: float = 60.0) -> None:
    """Let Qt work: once, or until something is so."""
    end = time.monotonic() + seconds
    while True:
        qt.QtWidgets.QApplication.processEvents()
        if until is None or until():
            return
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def _message() -> str:
    import embedded_nuke

    return embedded_nuke.session().messages[-1]


def test_every_stage_opens_and_no_text_is_cut_off(panel: Any, qt: Any) -> None:
    for stage in range(9):
        panel.go(stage)
        _turn(qt)
        for button in panel.findChildren(qt.QtWidgets.QPushButton):
            if button.isVisible():
                assert button.width() >= button.minimumSizeHint().width(), button.text()
                assert button.toolTip() or button.text() in ("Cancel", "Read again"), f"{button.text()} has no tooltip"
        for label in panel.findChildren(qt.QtWidgets.QLabel):
            if label.isVisible() and label.text() and not label.wordWrap() and label.pixmap() in (None, qt.QtGui.QPixmap()):
                assert label.width() >= label.minimumSizeHint().width(), label.text()
    assert panel.grab().width() >= 600


def test_pairs_are_added_edited_and_removed(panel: Any, nuke: Any, qt: Any) -> None:
    page = panel.pages[2]
    for frame in (1004, 1001):
        nuke.frame(frame)
        page.add_current()
    page.add_current()
    assert "1001 is in the table already" in _message()
    hold = nuke.nodes.FrameHold(firstFrame=1009, label="night")
    for node in nuke.allNodes():
        node.setSelected(node is hold)
    page.add_selected()
    assert [(pair.source, pair.reason) for pair in page.table.pairs()] == [(1001, ""), (1004, ""), (1009, "night")]
    table = page.table._table
    table.selectRow(1)
    page.table.toggle_held_out()
    table.item(0, 6).setText("skin")
    for text in ("nonsense", "--5", "\u00b2", ""):
        table.item(0, 3).setText(text)
        assert table.item(0, 3).text() == "1001"
    found = panel.state.pairs
    assert (found[0].reference, found[0].reason, found[1].held_out) == (1001, "skin", True)
    page.table.jump_to_selected()
    assert nuke.frame() == 1004
    assert page.table.remove_selected() == 1
    assert [pair.source for pair in panel.state.pairs] == [1001, 1009]
    hold["label"].setValue("1009:1011 held out\nskin")
    page.table.set_pairs([])
    page.add_selected()
    assert [(pair.reference, pair.held_out, pair.reason) for pair in page.table.pairs()] == [(1011, True, "skin")]


def test_thumbnails_are_rendered_and_leave_no_node_behind(panel: Any, nuke: Any, qt: Any) -> None:
    pytest.importorskip("OpenImageIO")
    from film_recovery_nuke.graph import Pair

    page = panel.pages[2]
    page.table.set_pairs([Pair(1001, 1001), Pair(1005, 1005)])
    before = [node.name() for node in nuke.allNodes()]
    page.thumbnails()
    assert not any(page.table._icon(row, column).isNull() for row in range(2) for column in range(2))
    assert [node.name() for node in nuke.allNodes()] == before


def test_stacks_are_built_in_the_graph(panel: Any, nuke: Any) -> None:
    from film_recovery_nuke.graph import Pair

    page = panel.pages[2]
    page.build()
    assert "no pair yet" in _message()
    page.table.set_pairs([Pair(1001, 1001, False, "skin"), Pair(1005, 1006, True)])
    source, reference = page.build()
    assert (source.Class(), source.inputs(), source["meta_from_first"].value()) == ("AppendClip", 2, False)
    assert [node["firstFrame"].value() for node in nuke.allNodes("FrameHold")] == [1001, 1005, 1001, 1006]
    assert len(nuke.allNodes("BackdropNode")) == 2
    from embedded_nuke.render import engine

    assert engine.frame_range(reference) == (1, 2)
    for node in nuke.allNodes():
        node.setSelected(node.Class() == "FrameHold")
    page.table.set_pairs([])
    page.add_selected()
    assert [pair.source for pair in page.table.pairs()] == [1001, 1005], "the reference's 1006 is no frame of the source"
    for node in nuke.allNodes("FrameHold"):
        node.setSelected(node.input(0).name() == "Reference")
    page.add_selected()
    assert "Select FrameHolds of the source" in _message()


def test_a_balance_is_not_fitted_from_frames_of_other_numbers(panel: Any, nuke: Any) -> None:
    from film_recovery_nuke.graph import Pair

    panel.state.pairs = [Pair(1001, 1001), Pair(1003, 1005), Pair(1004, 1004, True)]
    assert panel.pages[3].create_balance() is None
    assert "The pair of frame 1003 has the reference's frame 1005" in _message()
    assert nuke.allNodes("RecoveryBalance") == []
    panel.state.place(reference=nuke.nodes.TimeOffset(inputs=[nuke.toNode("Reference")], time_offset=-2))
    panel.state.pairs = [Pair(1001, 1003), Pair(1003, 1005)]
    assert panel.pages[3].create_balance()["frames"].value() == "1001,1003"


def test_the_train_page_gives_a_node_the_pairs(panel: Any, nuke: Any, qt: Any) -> None:
    from film_recovery_nuke.graph import Pair

    panel.go(4)
    page = panel.pages[4]
    page.use_pairs()
    assert "no pairs yet" in _message()
    panel.pages[2].table.set_pairs([Pair(1001, 1001, False, "skin"), Pair(1004, 1004), Pair(1006, 1006, True)])
    node = page.use_pairs()
    assert (node["frames"].value(), node["heldOut"].value(), node.input(1).name()) == ("1001,1004", "1006", "Reference")
    assert node["pairReasons"].value() == '{"1001": "skin"}'
    panel.pages[2].table.set_pairs([Pair(1001, 1003)])
    assert page.use_pairs()["referenceFrames"].value() == "1001:1003"
    node.setInput(1, nuke.nodes.RecoveryAlign(inputs=[node.input(0), node.input(1)]))
    assert page.use_pairs()["referenceFrames"].value() == ""
    before = node["frames"].value()
    panel.state.set("source", nuke.nodes.Read(name="AnotherFilm", file="/elsewhere/neg.####.exr", first=1001, last=1012))
    assert page.use_pairs() is None
    assert "trains on the source Source, but these are pairs of AnotherFilm; choose another" in _message()
    assert node["frames"].value() == before


def test_a_node_that_was_made_after_the_page_was_entered_is_taken(panel: Any, nuke: Any, qt: Any) -> None:
    from film_recovery_nuke.graph import Pair

    panel.go(4)
    page = panel.pages[4]
    made = nuke.nodes.RecoveryTrain(inputs=[nuke.toNode("Source"), nuke.toNode("Reference")])
    panel.pages[2].table.set_pairs([Pair(1001, 1001)])
    assert page.use_pairs().fullName() == made.fullName()
    page._nodes.setCurrentText("new node")
    assert page.use_pairs().fullName() != made.fullName()


def test_a_training_gives_its_pairs_back_to_a_panel_that_knows_nothing(panel: Any, nuke: Any, qt: Any) -> None:
    from film_recovery_nuke.graph import Pair
    from film_recovery_nuke.panels.main_panel import FilmRecoveryPanel

    pairs = [Pair(1001, 1003, False, "skin", by_hand=True), Pair(1006, 1006, True, by_hand=True)]
    panel.pages[2].table.set_pairs(pairs)
    node = panel.pages[4].use_pairs()
    for entry in nuke.allNodes():
        entry.setSelected(entry is node)
    later = FilmRecoveryPanel()
    later.pages[2].add_selected()
    assert later.pages[2].table.pairs() == pairs
    assert later.state.names == panel.state.names
    node.setInput(1, None)
    later.pages[2].add_selected()
    assert "connect the input Reference" in _message()


def test_a_training_on_aligned_branches_gives_back_the_elements_themselves(
    panel: Any, nuke: Any, qt: Any, tmp_path: Path
) -> None:
    """The pair of RecoveryAligns that *Use this alignment* makes: the one of the reference runs in the source's time."""
    from film_recovery.contract.curation import AlignmentRecord, FrameAlignment
    from film_recovery_nuke.graph import Pair
    from film_recovery_nuke.panels.main_panel import FilmRecoveryPanel

    still = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    frames = [FrameAlignment(at, at + 2, still, None, 0.1, 0.3, 0.9, "aligned", "") for at in range(1001, 1009)]
    tab = panel.pages[1].tabs[3]
    tab.folder().mkdir(parents=True)
    AlignmentRecord("a", "b", [128, 96], [128, 96], False, [0, 0, 128, 96], [], frames).save(tab.folder() / "align.json")
    assert tab.create()["retime"].value()
    pairs = [Pair(1001, 1003, False, "skin", by_hand=True), Pair(1006, 1008, True, by_hand=True)]
    panel.pages[2].table.set_pairs(pairs)
    node = panel.pages[4].use_pairs()
    assert (node.input(1).Class(), node["referenceFrames"].value()) == ("RecoveryAlign", "")
    for entry in nuke.allNodes():
        entry.setSelected(entry is node)
    later = FilmRecoveryPanel()
    later.pages[2].add_selected()
    assert later.state.names == {"source": "Source", "reference": "Reference"}
    assert later.pages[2].table.pairs() == pairs
    strange = nuke.nodes.Read(file="/elsewhere/reference.####.exr", first=1001, last=1012, name="Strange")
    again = FilmRecoveryPanel()
    again.state.names["reference"] = strange.name()
    again.pages[2].add_selected()
    assert "trains on the reference Reference, but the page Elements has Strange" in _message()
    assert (again.state.names["source"], again.pages[2].table.pairs()) == ("", [])
    node.input(1).setInput(1, None)
    FilmRecoveryPanel().pages[2].add_selected()
    assert "shows its reference, but nothing is connected there" in _message()


def test_the_monitor_shows_findings_and_the_picture_of_the_chosen_one(qt: Any, nuke: Any, tmp_path: Path) -> None:
    from film_recovery_nuke.panels.monitor import TrainingMonitor
    from film_recovery_nuke.panels.qt import QtGui

    folder = tmp_path / "Train_v001"
    (folder / "sheets").mkdir(parents=True)
    picture = QtGui.QImage(64, 36, QtGui.QImage.Format_RGB32)
    picture.fill(QtGui.QColor(200, 60, 40))
    assert picture.save(str(folder / "sheets" / "finding.png"))
    log = EventLog(folder / "events.jsonl")
    log.append("started", task="chroma", steps=10)
    log.append("warning", step=10, **Finding("overfit", "It fell.", "Add pairs.").to_event())
    log.append("warning", step=10, **Finding("clipped", "Frame 7.", "Scan it again.", [7], "sheets/finding.png").to_event())
    log.append("finished", step=10)
    monitor = TrainingMonitor()
    monitor.watch(tmp_path, "Train")
    monitor.show()
    view = monitor._findings
    assert [view._list.item(row).text() for row in range(2)] == [
        "Warning: It fell. Add pairs.", "Warning: Frame 7. Scan it again."
    ]  # fmt: skip
    assert (view.picture(), view._open.isEnabled()) == (None, False)
    assert view._picture.text() == "There is no picture of this finding."
    view._list.setCurrentRow(1)
    monitor.refresh()
    assert view._list.currentRow() == 1, "the choice stays"
    assert (view.picture(), view._open.isEnabled()) == (folder / "sheets" / "finding.png", True)
    monitor.watch(tmp_path, "Another")
    assert monitor._status.text() == "No training yet. Choose pairs, then press Start."
    assert (view._list.count(), monitor._warnings.toPlainText(), monitor._bar.value()) == (0, "", 0)
    assert view._picture.text().startswith("Nothing was found.")
    monitor.close()


def test_the_monitor_finds_a_run_again_and_follows_it(qt: Any, nuke: Any, tmp_path: Path) -> None:
    from film_recovery_nuke.panels.monitor import TrainingMonitor

    folder = tmp_path / "Train_v001"
    folder.mkdir()
    log = EventLog(folder / "events.jsonl")
    monitor = TrainingMonitor()
    monitor.watch(tmp_path, "Train")
    monitor.show()
    assert monitor._status.text() == "No training yet."
    log.append("started", task="chroma", steps=400)
    log.append("start", step=0, held_out=34.0)
    for step in range(10, 101, 10):
        log.append("progress", step=step, loss=1.0 / step)
    log.append("held_out", step=100, psnr=35.0)
    log.append("warning", step=100, text="Frame 1029 is the farthest from its target.")
    with RunFolder(folder).locked():
        _turn(qt, lambda: "Running, step 100 of 400" in monitor._status.text(), 10.0)
    _turn(qt, lambda: "Interrupted at step 100 of 400" in monitor._status.text(), 10.0)
    assert monitor._bar.value() == 100
    assert "Frame 1029" in monitor._warnings.toPlainText()
    picture = monitor._graph.grab().toImage()
    colours = {picture.pixelColor(x, y).name() for x in range(0, picture.width(), 2) for y in range(0, picture.height(), 2)}
    assert "#e0a050" in colours  # the loss is drawn
    (tmp_path / "Train_v002").mkdir()
    monitor.refresh()
    assert monitor._table.rowCount() == 2
    monitor.close()
    assert not monitor._timer.isActive()


def test_the_monitor_follows_the_runs_that_are_not_chosen_too(qt: Any, nuke: Any, tmp_path: Path) -> None:
    from film_recovery_nuke.panels.monitor import TrainingMonitor

    logs = []
    for name in ("Train_v001", "Train_v002"):
        (tmp_path / name).mkdir()
        logs.append(EventLog(tmp_path / name / "events.jsonl"))
        logs[-1].append("started", task="chroma", steps=100)
    logs[0].append("finished", step=100)
    monitor = TrainingMonitor()
    with RunFolder(tmp_path / "Train_v002").locked():
        monitor.watch(tmp_path, "Train", "Train_v001")
        assert [monitor._table.item(row, 1).text() for row in range(2)] == ["running", "finished"]
        logs[1].append("finished", step=100)
    monitor.refresh()
    assert [monitor._table.item(row, 1).text() for row in range(2)] == ["finished", "finished"]
    assert monitor._table.item(0, 2).text() == "100 of 100"


def test_the_environment_page_asks_without_blocking_and_can_be_cancelled(
    qt: Any, nuke: Any, worker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from film_recovery_nuke import worker as module
    from film_recovery_nuke.panels.environment_page import EnvironmentPage

    page = EnvironmentPage()
    page.check()
    assert not page._check.isEnabled()
    _turn(qt, page._check.isEnabled)
    assert page._values["Protocol"].text() == "1"

    def forever(arguments: Any, cancelled: Any, on_line: Any) -> Any:
        from film_recovery_nuke.errors import CancelledError

        on_line("working")
        while not cancelled():
            time.sleep(0.02)
        raise CancelledError("")

    monkeypatch.setattr(module, "call", forever)
    page.self_test()
    _turn(qt, lambda: "working" in page._log.toPlainText())
    page._cancel.click()
    _turn(qt, page._check.isEnabled)
    assert page._log.toPlainText().endswith("Cancelled.")
    monkeypatch.setattr(module, "find_python", lambda: 1 / 0)
    page.check()
    _turn(qt, page._check.isEnabled)
    assert "defect" in page._values["Problems"].text()


def test_closing_the_panel_ends_its_threads(panel: Any, qt: Any) -> None:
    before = threading.active_count()
    panel.go(7)
    panel.pages[7]._work.start(lambda cancelled, say: [time.sleep(0.02) for _ in iter(cancelled, True)])
    assert threading.active_count() == before + 1
    panel.close()
    assert threading.active_count() == before


def test_preferences_are_saved_for_the_user_only(qt: Any, nuke: Any, tmp_path: Path) -> None:
    from film_recovery_nuke import preferences
    from film_recovery_nuke.panels.preferences_page import PreferencesPage

    page = PreferencesPage()
    page._fields["cache_folder"].setText("/fast")
    page.save()
    assert preferences.get("cache_folder") == "/fast"
    assert page._layers["cache_folder"].text() == "yours"
    assert page._layers["device"].text() == "package"


def test_menus_and_pane_are_registered(qt: Any, nuke: Any) -> None:
    import embedded_nuke
    import film_recovery_nuke

    film_recovery_nuke.add_menus()
    toolbar = nuke.menu("Nodes").findItem("Film Recovery")
    assert {item.name() for item in toolbar.items()} >= {"RecoveryTrain", "RecoveryInference", "RecoveryBalance"}
    toolbar.findItem("RecoveryTarget").invoke()
    assert nuke.selectedNode().Class() == "RecoveryTarget"
    name, widget = embedded_nuke.session().panels["org.film_recovery.panel"]
    assert name == "Film Recovery"
    assert eval(widget).__name__ == "FilmRecoveryPanel"  # as Nuke evaluates it


def test_the_progress_tab_of_the_node_shows_its_runs(qt: Any, nuke: Any, reads: Any, tmp_path: Path) -> None:
    import embedded_nuke
    import film_recovery_nuke

    source, reference = reads(nuke)
    nuke.scriptSaveAs(str(tmp_path / "s.nk"), 1)
    node = nuke.nodes.RecoveryTrain(inputs=[source, reference])
    made = embedded_nuke.session().with_context(node, None, film_recovery_nuke.progress_knob)
    widget = made.makeUI()
    assert widget._graph.smoothness == pytest.approx(0.6)
    node["smoothness"].setValue(0.2)
    made.updateValue()
    assert widget._graph.smoothness == pytest.approx(0.2)
    widget.close()


def test_merge_and_baseline_are_coded_as_the_recovery_is(panel: Any, nuke: Any) -> None:
    """As the selected inference node's model says, else as the panel has it."""
    page, source = panel.pages[6], nuke.toNode("Source")
    panel.state.encoding, panel.state.matrix = "log", "2020"
    recovered = nuke.nodes.RecoveryInference(inputs=[source], cardEncoding="none", cardMatrix="601")
    for chosen, encoding, matrix in ((source, "log", "2020"), (recovered, "none", "601")):
        for node in nuke.allNodes():
            node.setSelected(node is chosen)
        merged, baseline = page.create_merge(), page.create_baseline()
        assert (merged["encoding"].value(), merged["matrix"].value()) == (encoding, matrix)
        assert (merged.input(1).name(), baseline["encoding"].value()) == (chosen.name(), encoding)
