"""The headless line: ``-t bake_script.py script.nk 1001-1055`` as processes of their own, as a farm runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

import pytest

from film_recovery.contract.exit_codes import ExitCode

ROOT = Path(__file__).resolve().parents[2]
BAKE = ROOT / "nuke_plugins" / "film_recovery_nuke" / "bake_script.py"
Line = Callable[..., "subprocess.CompletedProcess[str]"]


def variables(worker: Path, home: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ, "PYTHONPATH": str(ROOT / "nuke_plugins"), "NUKE_PATH": str(ROOT), "FILM_RECOVERY_PYTHON": str(worker),
        "HOME": str(home), **more,
    }  # fmt: skip


@pytest.fixture
def shot(
    start_nuke: Callable[..., Any], reads: Callable[..., Any], tiny_model: Path, tmp_path: Path
) -> Path:
    """A saved script, never baked: a second pass on top of a first one, moved by one frame, and a Write."""
    nuke = start_nuke()
    source, _ = reads(nuke)
    first = nuke.nodes.RecoveryInference(inputs=[source], name="ZFirst", useGPUIfAvailable=False)
    grade = nuke.nodes.Multiply(inputs=[first], value=0.9)
    moved = nuke.nodes.TimeOffset(inputs=[grade], time_offset=1)
    second = nuke.nodes.RecoveryInference(inputs=[moved], name="ASecond", useGPUIfAvailable=False)
    folder = tmp_path / "shot"
    folder.mkdir()
    write = nuke.nodes.Write(
        inputs=[second], file=(folder / "out" / "shot.####.exr").as_posix(), file_type="exr", raw=True, create_directories=True,
        name="Final",
    )  # fmt: skip
    write["datatype"].setValue("32 bit float")
    for node in (first, second):
        node["modelFile"].setValue(tiny_model.as_posix())
        node["cacheKey"].setValue("")
    nuke.scriptSaveAs(str(folder / "shot.nk"), overwrite=1)
    return folder / "shot.nk"


@pytest.fixture
def line(worker: Path, tmp_path: Path) -> Line:
    """Run the stand-in's command line and wait."""

    def run(*words: Any, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "embedded_nuke", *map(str, words)]
        environment = variables(worker, tmp_path / "home", **more)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)

    return run


def files(script: Path, pattern: str) -> dict[str, bytes]:
    """Contents of the files below the script's folder, by name."""
    return {path.relative_to(script.parent).as_posix(): path.read_bytes() for path in script.parent.glob(pattern)}


def test_one_line_bakes_the_chain_in_order_and_renders(line: Line, shot: Path) -> None:
    before = shot.read_bytes()
    done = line("-t", BAKE, shot, "1003-1004")
    assert done.returncode == ExitCode.OK, done.stderr
    said = done.stdout.splitlines()
    assert [word for word in said if "baked" in word] == [
        "ZFirst: 2 baked, 0 were there and are whole", "ASecond: 2 baked, 0 were there and are whole",
    ]  # fmt: skip
    assert "ZFirst: baking 1002-1003" in said, "the offset between the two is followed"
    assert sorted(files(shot, "out/*")) == ["out/shot.1003.exr", "out/shot.1004.exr"]
    assert shot.read_bytes() == before, "a bake never changes the script"
    assert not list(shot.parent.glob("recovery/*/.*")), "no rendered input stays"

    frames, baked = files(shot, "out/*"), files(shot, "recovery/*/*.exr")
    again = line("-t", BAKE, shot, "1003-1004")
    assert "ZFirst: 0 baked, 2 were there and are whole" in again.stdout and "ASecond: 0 baked, 2 were" in again.stdout
    assert files(shot, "recovery/*/*.exr") == baked

    damaged = next(shot.parent.glob("recovery/ZFirst_*/recovered.1002.exr"))
    damaged.write_bytes(damaged.read_bytes()[:-40])
    third = line("-t", BAKE, shot, "1003-1004")
    assert third.returncode == ExitCode.OK
    assert "ZFirst: 1 baked, 1 were there" in third.stdout and "ASecond: 0 baked, 2 were" in third.stdout
    wanted = {name: pixels_of(data, shot) for name, data in frames.items()}
    assert {name: pixels(shot.parent / name) for name in frames} == wanted

    # The render alone, as a step of its own: it finds what the bake made, and fails where nothing was baked.
    for path in shot.parent.glob("out/*"):
        path.unlink()
    assert line("-x", "-F", "1003-1004", shot).returncode == 0
    assert {name: pixels(shot.parent / name) for name in frames} == wanted
    copy = shot.with_name("copy_of_the_farm.nk")
    copy.write_bytes(before)
    rendered = line("-x", "-F", "1004", copy)
    assert rendered.returncode == 0 and "another picture" not in rendered.stdout
    failed = line("-x", "-F", "1004-1005", shot)
    assert failed.returncode == 1 and "recovered.1004.exr does not exist" in failed.stderr, "1005 shows 1004 of the first pass"


def pixels(path: Path) -> bytes:
    import OpenImageIO as oiio

    return bytes(oiio.ImageBuf(str(path)).get_pixels(oiio.FLOAT).tobytes())


def pixels_of(data: bytes, script: Path) -> bytes:
    path = script.parent / "copy.exr"
    path.write_bytes(data)
    return pixels(path)


def test_what_a_farm_baked_is_fresh_in_the_artists_session(
    line: Line, shot: Path, start_nuke: Callable[..., Any], tiny_model: Path
) -> None:
    """Though the script was never saved with a key of its own."""
    assert line("-t", BAKE, shot, "ZFirst", "1004").returncode == 0
    nuke = start_nuke()
    nuke.scriptOpen(str(shot))
    from film_recovery_nuke.nodes import inference

    node = nuke.toNode("ZFirst")
    node["bakeFrames"].setValue("1003-1004")
    assert inference.refresh(node) == "1 fresh, 1 missing of 2 frames (to bake: 1003)."
    assert inference.bake_range(node).kept == [1004]
    assert len(list(shot.parent.glob("recovery/*"))) == 1
    assert inference.cache_of(nuke.toNode("ASecond")) is None


def test_a_render_alone_says_what_seems_stale(line: Line, shot: Path) -> None:
    assert line("-t", BAKE, shot, "1004").returncode == 0
    shot.write_text(shot.read_text(encoding="utf-8").replace(" value 0.9\n", " value 0.8\n"), encoding="utf-8")
    done = line("-x", "-F", "1004", shot)
    assert done.returncode == 0
    assert "ASecond: frame 1004 seems to be baked from another picture" in done.stdout
    assert "ZFirst: frame" not in done.stdout
    assert "ASecond: 1 baked" in line("-t", BAKE, shot, "1004").stdout


def test_slices_of_a_farm_share_the_cache(worker: Path, line: Line, shot: Path, tmp_path: Path) -> None:
    """At the same time, with a frame in common; what comes out is what one process makes."""
    command = [sys.executable, "-m", "embedded_nuke", "-t", str(BAKE), str(shot)]
    environment = variables(worker, tmp_path / "home")
    parts = ("1002-1003", "1003-1004")
    slices = [subprocess.Popen([*command, part], env=environment, stdout=subprocess.DEVNULL) for part in parts]
    assert [process.wait(240) for process in slices] == [0, 0]
    made = {name: pixels(shot.parent / name) for name in files(shot, "out/*")}
    assert len(made) == 3
    for path in (*shot.parent.glob("out/*"), *shot.parent.glob("recovery/*/*")):
        path.unlink()
    assert line("-t", BAKE, shot, "1002-1004").returncode == 0
    assert {name: pixels(shot.parent / name) for name in files(shot, "out/*")} == made


def test_what_goes_wrong_has_its_code(line: Line, shot: Path, tmp_path: Path, tiny_model: Path) -> None:
    def fails(code: int, words: str, *arguments: Any, **more: str) -> None:
        done = line("-t", BAKE, *arguments, **more)
        assert (done.returncode, words in done.stderr) == (code, True), done.stderr
        assert "Traceback" not in done.stderr
        assert not list(shot.parent.glob("out/*"))

    fails(ExitCode.USAGE, "Name the script")
    fails(ExitCode.USAGE, "'--nonsense' is not known", shot, "--nonsense", "1003")
    fails(ExitCode.BAD_INPUT, "cannot be opened", tmp_path / "none.nk", "1003")
    fails(ExitCode.BAD_INPUT, "no node 'Nobody'", shot, "Nobody", "1003")
    fails(ExitCode.BAD_INPUT, "does not exist", shot, "1003", FILM_RECOVERY_PYTHON=str(tmp_path / "none"))
    fails(ExitCode.BAD_INPUT, "Frame 2003 of ZFirst cannot be rendered", hold_nothing(shot), "2004")
    text = shot.read_text(encoding="utf-8")
    shot.write_text(text.replace(tiny_model.as_posix(), (tmp_path / "gone.onnx").as_posix()), encoding="utf-8")
    fails(ExitCode.BAD_INPUT, "gone.onnx does not exist", shot, "1003")


def hold_nothing(script: Path) -> Path:
    """The same script, whose Read has no frame beyond its files: it fails where it would else hold the last one."""
    text = script.read_text(encoding="utf-8")
    other = script.with_name("strict.nk")
    other.write_text(text.replace(" last 1012\n", " last 3000\n"), encoding="utf-8")
    return other


def test_nodes_can_be_named_and_the_render_left_out(line: Line, shot: Path) -> None:
    done = line("-t", BAKE, shot, "ZFirst", "1005")
    assert done.returncode == 0 and "ASecond" not in done.stdout
    assert [path.name for path in shot.parent.glob("recovery/*/*.exr")] == ["recovered.1005.exr"]
    done = line("-t", BAKE, shot, "Final", "1006", "--bake-only", NUKE_PATH="")
    assert done.returncode == 0, done.stderr
    assert "ZFirst: 0 baked, 1 were there" in done.stdout, "1006 shows 1005 of the first pass"
    assert not list(shot.parent.glob("out/*"))


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_killed_in_the_second_pass_the_first_is_kept(worker: Path, line: Line, shot: Path, tmp_path: Path, how: int) -> None:
    marker, calls = tmp_path / "second pass", tmp_path / "calls"
    slow = tmp_path / "python"
    slow.write_text(
        f'#!/bin/sh\ncase "$*" in *apply*) echo x >> "{calls}";\n  if [ $(wc -l < "{calls}") = 2 ]; then echo $$ > "{marker}"; '
        f'exec sleep 60; fi;; esac\nexec "{worker}" "$@"\n',
        encoding="utf-8",
    )
    slow.chmod(0o755)
    command = [sys.executable, "-m", "embedded_nuke", "-t", str(BAKE), str(shot), "1003-1004"]
    environment = variables(slow, tmp_path / "home")
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    begin = time.monotonic()
    while not (marker.is_file() and marker.read_text(encoding="utf-8").strip()):
        assert process.poll() is None and time.monotonic() - begin < 120
        time.sleep(0.05)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    hanging = int(marker.read_text(encoding="utf-8"))
    if how == signal.SIGTERM:
        assert process.returncode == ExitCode.STOPPED
        assert b"whole frames are kept" in said and b"Traceback" not in said
        assert not list(shot.parent.glob("recovery/*/.input*"))
        with pytest.raises(ProcessLookupError):
            os.kill(hanging, 0)
    else:
        assert process.returncode == -signal.SIGKILL
        os.kill(hanging, signal.SIGKILL)
    done = line("-t", BAKE, shot, "1003-1004")
    assert done.returncode == 0, done.stderr
    assert "ZFirst: 0 baked, 2 were there" in done.stdout and "ASecond: 2 baked" in done.stdout
    assert not list(shot.parent.glob("recovery/*/.input*"))


def test_the_command_line_is_read_as_nuke_hands_it_over(nuke: Any) -> None:
    """Nuke takes a range at the end out of sys.argv; the whole line is still there."""
    from film_recovery.contract.errors import UsageError
    from film_recovery_nuke import bake
    from film_recovery_nuke.bake_script import words_after

    raw = ["/opt/Nuke16", "-t", "/a b/bake_script.py", "s.nk", "Write1", "1001-1003", "1010"]
    order = bake.parse_order(words_after("bake_script.py", raw))
    assert (order.script, order.nodes, order.frames) == ("s.nk", ["Write1"], [1001, 1002, 1003, 1010])
    assert bake.parse_order(["s.nk", "-5--3x2"]).frames == [-5, -3]
    assert words_after("bake_script.py", ["python", "-x"]) == []
    with pytest.raises(UsageError, match="Name the script"):
        bake.parse_order(["1-5"])


def test_frames_that_follow_each_other_are_rendered_in_one_go(nuke: Any, reads: Callable[..., Any], tmp_path: Path) -> None:
    """A movie is one file for one render, and what is called before and after a render is called once for it."""
    import embedded_nuke
    from film_recovery_nuke import bake
    from film_recovery_nuke.errors import HostError

    source, _ = reads(nuke)
    write = nuke.nodes.Write(
        inputs=[source], file=(tmp_path / "out.####.exr").as_posix(), file_type="exr", raw=True, name="Final"
    )
    renders: list[str] = []
    nuke.addBeforeRender(lambda: renders.append("before"))
    nuke.addAfterRender(lambda: renders.append("after"))
    said: list[str] = []
    bake._render([write], [1001, 1002, 1003, 1006, 1008, 1009], said.append)
    assert said == ["Final: rendering 1001-1003,1006,1008-1009"]
    assert renders == ["before", "after"] * 3
    assert [path.name for path in sorted(tmp_path.glob("out.*"))] == [
        f"out.{frame}.exr" for frame in (1001, 1002, 1003, 1006, 1008, 1009)
    ]
    source["last"].setValue(3000)  # else it would hold its last file
    with pytest.raises(HostError, match="Frame 1013 of Final cannot be rendered"):
        bake._render([write], [1011, 1012, 1013, 1014], said.append)
    assert (tmp_path / "out.1012.exr").is_file()
    assert not embedded_nuke.session().callbacks_for("beforeFrameRender", write)


def test_a_script_that_somebody_has_saved_meanwhile_is_not_saved_over(
    nuke: Any, reads: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from film_recovery_nuke import bake
    from film_recovery_nuke.errors import HostError

    source, _ = reads(nuke)
    nuke.nodes.Write(inputs=[source], file=(tmp_path / "out.####.exr").as_posix(), file_type="exr", name="Final")
    script = tmp_path / "shot.nk"
    nuke.scriptSaveAs(str(script), overwrite=1)
    order = bake.parse_order([str(script), "1001", "--bake-only", "--save"])
    said: list[str] = []
    bake.run(order, said.append)
    assert said == [f"{script.as_posix()}: saved with its runs and caches"]
    theirs = script.read_text(encoding="utf-8") + "# the artist's\n"

    def bake_for(*_: Any) -> int:
        script.write_text(theirs, encoding="utf-8")
        return 0

    monkeypatch.setattr(bake, "bake_for", bake_for)
    with pytest.raises(HostError, match=r"shot\.nk was changed by somebody else meanwhile, so it was not saved"):
        bake.run(order, said.append)
    assert script.read_text(encoding="utf-8") == theirs


def test_a_script_that_nobody_baked_does_not_render_the_frames_of_another(line: Line, shot: Path) -> None:
    other = shot.with_name("shot020.nk")
    other.write_text(shot.read_text(encoding="utf-8").replace(" value 0.9\n", " value 0.8\n"), encoding="utf-8")
    assert line("-t", BAKE, shot, "1004", "--bake-only").returncode == 0
    failed = line("-x", "-F", "1004", other)
    assert failed.returncode == 1 and "recovered.1004.exr does not exist" in failed.stderr


def test_two_scripts_in_one_folder_keep_their_frames_apart(line: Line, shot: Path) -> None:
    """Nodes of the same names, with the same model."""
    other = shot.with_name("shot020.nk")
    other.write_text(shot.read_text(encoding="utf-8").replace(" value 0.9\n", " value 0.8\n"), encoding="utf-8")
    assert line("-t", BAKE, shot, "1004").returncode == 0
    ours = files(shot, "recovery/*/*.exr")
    done = line("-t", BAKE, other, "1004")
    assert done.returncode == 0 and "ZFirst: 1 baked" in done.stdout and "ASecond: 1 baked" in done.stdout
    both = files(shot, "recovery/*/*.exr")
    assert len(both) == 2 * len(ours) == 4
    assert {**both, **ours} == both
    assert "ASecond: 0 baked, 1 were there" in line("-t", BAKE, shot, "1004").stdout
    copy = shot.with_name("whose.nk")
    copy.write_text(shot.read_text(encoding="utf-8").replace(shot.as_posix(), copy.as_posix()), encoding="utf-8")
    failed = line("-x", "-F", "1004", copy)
    assert failed.returncode == 1 and "does not exist" in failed.stderr, "nobody can tell whose frames are its own"


def test_a_training_has_what_its_inputs_show_at_their_own_frames(
    nuke: Any, reads: Callable[..., Any], worker: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """The reference at the partners, the preview at its frame: they are baked before they are gathered."""
    from film_recovery_nuke import bake
    from film_recovery_nuke.nodes import inference

    source, _ = reads(nuke)
    first = nuke.nodes.RecoveryInference(inputs=[source], name="First", useGPUIfAvailable=False)
    lighter = nuke.nodes.Multiply(inputs=[first], value=0.9)
    nuke.nodes.RecoveryTrain(
        inputs=[first, lighter, first], name="Train", frames="1001,1005,1009", referenceFrames="1001:1002", previewOn=True,
        previewFrame=1007, trainFor="steps", steps=3, modelSize="Small", cropSize="64", batchSize=1, align="none",
        useGPUIfAvailable=False,
    )  # fmt: skip
    second = nuke.nodes.RecoveryInference(inputs=[source], name="Second", modelFile="[value Train.model]")
    nuke.scriptSaveAs(str(tmp_path / "shot.nk"), overwrite=1)
    first["modelFile"].setValue(tiny_model.as_posix())
    said: list[str] = []
    bake._train_for(second, said.append)
    assert [text for text in said if text.startswith("First: ")] == [
        "First: baking 1001-1002,1005,1007,1009", "First: 5 baked, 0 were there and are whole",
    ]  # fmt: skip
    assert inference.model_path(second).is_file()
