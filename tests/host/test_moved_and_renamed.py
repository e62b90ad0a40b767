"""A training is found again: after its node was renamed, its script moved or saved elsewhere, a slice of a farm stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from film_recovery.contract.events import EventLog
from film_recovery.contract.run_folder import RunFolder

pytest.importorskip("OpenImageIO")


@pytest.fixture
def node(nuke: Any, reads: Any, tmp_path: Path) -> Any:
    """A RecoveryTrain on both elements; the script lies in ``tmp_path / 'script'``."""
    source, reference = reads(nuke)
    (tmp_path / "script").mkdir()
    nuke.scriptSaveAs(str(tmp_path / "script" / "s.nk"), 1)
    return nuke.nodes.RecoveryTrain(inputs=[source, reference], frames="1001,1004,1008", heldOut="1006")


@pytest.fixture
def run(node: Any, tmp_path: Path) -> RunFolder:
    """The node's run: it has begun, and no process holds it."""
    made = RunFolder(tmp_path / "script" / "recovery" / "RecoveryTrain1_v001")
    made.path.mkdir(parents=True)
    EventLog(made.events).append("started", task="chroma", steps=400)
    node["run"].setValue(made.path.name)
    return made


def _messages() -> list[str]:
    import embedded_nuke

    return embedded_nuke.session().messages


def test_the_progress_tab_of_a_renamed_node_follows_its_run(nuke: Any, node: Any, run: RunFolder) -> None:
    pytest.importorskip("film_recovery_nuke.panels.qt", exc_type=ImportError)
    from film_recovery_nuke.panels.qt import QtWidgets

    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    assert application is not None
    from film_recovery_nuke.panels.train_page import PanelState, TrainPage

    node.setName("Colour")
    (run.path.parent / "Colour_v2_v003").mkdir()  # of a node Colour_v2
    with run.locked():
        page = TrainPage(PanelState())
        table = page.monitor._table
        assert [table.item(row, 0).text() for row in range(table.rowCount())] == ["RecoveryTrain1_v001"]
        assert page.monitor._status.text().startswith("Running")
        for name in ("Colour_v999", "Colour_v1000"):
            (run.path.parent / name).mkdir()
        page.monitor.refresh()
        assert [table.item(row, 0).text() for row in range(3)] == ["RecoveryTrain1_v001", "Colour_v1000", "Colour_v999"]
    page.stop()


def test_an_opened_script_tells_of_the_run_where_it_lies_now(
    nuke: Any, node: Any, run: RunFolder, start_nuke: Any, tmp_path: Path
) -> None:
    node["status"].setValue("Running, step 3 of 400.")
    nuke.scriptSave()
    (tmp_path / "script").rename(tmp_path / "moved")
    again = start_nuke()
    again.scriptOpen(str(tmp_path / "moved" / "s.nk"))
    assert again.toNode("RecoveryTrain1")["status"].value() == "Interrupted at step 0 of 400: it was killed. Press Resume."


def test_a_run_that_stayed_behind_is_told(nuke: Any, node: Any, run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    nuke.scriptSaveAs(str(tmp_path / "other" / "s.nk"), 1)
    node["resumeTraining"].execute()
    told = f"{tmp_path / 'other' / 'recovery' / run.path.name} is not there: it was moved or removed"
    assert told in _messages()[-1]
    node["refreshStatus"].execute()
    assert node["status"].value().startswith(told)
    node["dataDirectory"].setValue(run.path.parent.as_posix())
    node["refreshStatus"].execute()
    assert "Press Resume" in node["status"].value()


def test_a_renamed_node_does_not_train_again_what_it_has(
    nuke: Any, node: Any, run: RunFolder, fake_worker: Any, tmp_path: Path
) -> None:
    from film_recovery_nuke.nodes import train

    plan = train.plan_of(node)
    train.gather(node, run.path, plan)
    (run.path / train.REQUEST).write_text(json.dumps(train.request_of(run.path, plan)), encoding="utf-8")
    run.job.write_text("{}")
    run.export.mkdir()
    run.model("chroma").write_bytes(b"a model")
    EventLog(run.events).append("finished", step=400)
    fake_worker("sys.exit('it was asked to train')")
    node.setName("Colour")
    said: list[str] = []
    assert train.ensure_trained(node, said.append) == run.model("chroma")
    assert said == ["Colour: RecoveryTrain1_v001 is trained already"]
    assert [entry.name for entry in run.path.parent.iterdir()] == ["RecoveryTrain1_v001"]


def test_a_file_in_the_place_of_the_next_run_is_passed(nuke: Any, node: Any, run: RunFolder) -> None:
    from film_recovery_nuke.nodes import train

    (run.path.parent / "RecoveryTrain1_v002").write_text("a file")
    (run.path.parent / "RecoveryTrain1_v2_v007").mkdir()
    assert train._new_run(node).name == "RecoveryTrain1_v003"


def test_a_stop_while_frames_are_rendered_leaves_nothing(nuke: Any, node: Any, fake_worker: Any, tmp_path: Path) -> None:
    from film_recovery_nuke.nodes import train

    fake_worker("sys.exit('it was asked to train')")
    rendered: list[int] = []

    def stop() -> None:
        rendered.append(int(nuke.frame()))
        if len(rendered) == 3:
            raise KeyboardInterrupt  # what bake_script.py makes of a farm's signal

    nuke.addBeforeFrameRender(stop)
    with pytest.raises(KeyboardInterrupt):
        train.ensure_trained(node, print)
    assert len(rendered) == 3 and list((tmp_path / "script" / "recovery").iterdir()) == []


def test_files_are_looked_for_where_the_read_finds_them(
    nuke: Any, node: Any, elements: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beneath the project directory, without one beneath where Nuke was started; never beside the script. View by view."""
    from film_recovery_nuke import curation

    read, home = nuke.toNode("Source"), Path(elements["source"]).parent
    read["file"].setValue("source.####.exr")
    nuke.root()["project_directory"].setValue(home.as_posix())
    nuke.execute(_write(nuke, read, tmp_path), 1001, 1001)  # it is found
    assert curation.files_of(read, "source") == elements["source"]
    nuke.root()["project_directory"].setValue("")
    monkeypatch.chdir(home.parent)
    read["file"].setValue(f"{home.name}/./source.####.exr")
    nuke.execute(_write(nuke, read, tmp_path), 1002, 1002)
    assert curation.files_of(read, "source") == elements["source"]
    read["file"].setValue("/film/%V/%v/source.####.exr")
    assert curation.files_of(read, "source") == "/film/main/m/source.####.exr"


def _write(nuke: Any, read: Any, folder: Path) -> Any:
    return nuke.nodes.Write(inputs=[read], file=(folder / "copy.####.exr").as_posix(), file_type="exr")


def test_nodes_in_groups_are_listed(nuke: Any, node: Any, run: RunFolder) -> None:
    pytest.importorskip("film_recovery_nuke.panels.qt", exc_type=ImportError)
    from film_recovery_nuke.panels.qt import QtWidgets

    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    assert application is not None
    from film_recovery_nuke.panels.stage_pages import InferPage
    from film_recovery_nuke.panels.train_page import PanelState, TrainPage

    group = nuke.nodes.Group(name="Shot")
    with group:
        nuke.nodes.RecoveryInference(name="Recovered")
        nuke.nodes.RecoveryTrain(name="Inner")
    infer, page = InferPage(PanelState()), TrainPage(PanelState())
    infer.refresh()
    assert [infer._table.item(row, 0).text() for row in range(infer._table.rowCount())] == ["Shot.Recovered"]
    infer._table.selectRow(0)
    infer._run("check_cache")
    assert _messages()[-1] == "No model."
    page._nodes.setCurrentText("Shot.Inner")
    page._run(lambda chosen: chosen["label"].setValue("chosen"))
    assert nuke.toNode("Shot.Inner")["label"].value() == "chosen"
    page.stop()


def test_thumbnails_are_of_the_elements_that_are_set(nuke: Any, node: Any, tmp_path: Path) -> None:
    pytest.importorskip("film_recovery_nuke.panels.qt", exc_type=ImportError)
    from film_recovery_nuke.graph import Pair
    from film_recovery_nuke.panels.qt import QtWidgets

    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    assert application is not None
    from film_recovery_nuke.panels.pair_table import PairTable

    table = PairTable()
    table.set_pairs([Pair(1001, 1001)])
    source, reference = nuke.toNode("Source"), nuke.toNode("Reference")

    def colour() -> str:
        return str(table._icon(0, 0).pixmap(96, 54).toImage().pixelColor(20, 20).name())

    assert table.render_thumbnails(source, reference, tmp_path) == 2
    first = colour()
    assert table.render_thumbnails(source, reference, tmp_path) == 0
    darker = nuke.nodes.Multiply(inputs=[source], value=0.1)
    assert table.render_thumbnails(darker, reference, tmp_path) == 2
    assert colour() != first
