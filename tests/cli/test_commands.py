"""The commands as people and scripts use them: help, JSON, exit codes, progress, a whole small job."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import film_recovery
from film_recovery.cli.main import cli
from film_recovery.contract.analysis import load_analysis
from film_recovery.contract.events import EventLog
from film_recovery.contract.exit_codes import ExitCode
from film_recovery.contract.run_folder import RunFolder
from film_recovery.images.io import read_frame

Cli = Callable[..., Any]
Options = Callable[..., list[str]]
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_explains_itself(command: str, run_cli: Cli) -> None:
    done = run_cli(command, "--help")
    assert done.code == 0
    assert done.out.startswith(f"Usage: film-recovery {command} ")
    assert f"\n  film-recovery {command}" in done.out, "an example is missing"
    for option in cli.commands[command].params:
        if isinstance(option, click.Option):
            assert option.help or option.name in ("device", "precision"), option.name


def test_every_command_is_documented() -> None:
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    for name, command in cli.commands.items():
        assert f"## {name}\n" in text
        section = text.split(f"## {name}\n")[1].split("\n## ")[0]
        for option in command.params:
            if isinstance(option, click.Option) and option.name not in ("as_json", "verbose"):
                assert f"`{option.opts[-1]}" in section, f"{name} {option.opts[-1]} is not in docs/command-line.md"


def test_exit_codes_are_documented_as_they_are() -> None:
    text = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (\d+) \| (\w+) \| (.+?) \|$", text, re.MULTILINE)
    assert table == [(str(int(code)), code.name, code.meaning) for code in ExitCode]


def test_help_answers_without_loading_the_rooms(variables: dict[str, str]) -> None:
    """Importing PyTorch alone takes seconds."""
    look = (
        "import sys; from film_recovery.cli.main import main; code = main(['train', '--help']);"
        "heavy = {'torch', 'numpy', 'onnxruntime', 'cv2', 'matplotlib', 'tqdm'} & set(sys.modules);"
        "sys.exit(f'loaded: {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == 0, done.stderr


def test_the_version_has_one_source(run_cli: Cli) -> None:
    assert run_cli("--version").out == f"film-recovery, version {film_recovery.__version__}\n"
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert film_recovery.__version__ not in pyproject.partition("dependencies")[0]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], ExitCode.OK),
        ([], ExitCode.USAGE),
        (["develop"], ExitCode.USAGE),
        (["status", "--fast", "run"], ExitCode.USAGE),
        (["train", "--task", "chroma", "--source", "a", "--out", "b"], ExitCode.USAGE),
        (["status", "/nowhere"], ExitCode.BAD_INPUT),
    ],
)
def test_exit_codes_of_the_process(arguments: list[str], code: ExitCode, spawn_cli: Cli) -> None:
    done = spawn_cli(*arguments)
    assert done.code == code
    assert "Traceback" not in done.err


def test_a_defect_keeps_its_traceback_and_ends_with_1(variables: dict[str, str]) -> None:
    broken = (
        "import sys; from film_recovery.cli import main as m\n"
        "m.cli.commands['status'].callback = lambda run: 1 / 0\n"
        "sys.exit(m.main(['status', 'run', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", broken], capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == ExitCode.CRASH
    assert "ZeroDivisionError" in done.stderr
    assert done.stdout == ""


def test_json_is_alone_on_standard_output_whatever_libraries_print(variables: dict[str, str]) -> None:
    noisy = (
        "import os, sys; from film_recovery.cli import main as m\n"
        "def status(run):\n"
        "    print('from Python'); os.write(1, b'from C\\n')\n"
        "    return {'psnr': float('inf'), 'name': 'Überblendung', 'path': (1,)}\n"
        "m.cli.commands['status'].callback = status\n"
        "sys.exit(m.main(['status', '--json', 'run']))"
    )
    done = subprocess.run([sys.executable, "-c", noisy], capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == 0
    assert done.stdout == '{"psnr": null, "name": "\\u00dcberblendung", "path": [1]}\n'
    assert "from Python" in done.stderr
    assert "from C" in done.stderr


@pytest.mark.parametrize("place", ["before", "after"])
def test_common_options_may_stand_before_or_after_the_command(place: str, run_cli: Cli) -> None:
    words = ["status", "/nowhere"]
    done = run_cli(*(["--json", "-v", *words] if place == "before" else [*words, "--json", "-v"]))
    assert done.code == 3
    assert "Traceback" in done.err, "-v shows where an error arose"
    assert done.json["exit_code"] == 3


def test_a_usage_error_is_json_too(run_cli: Cli) -> None:
    done = run_cli("status", "--json", "--fast", "run")
    assert done.code == 2
    assert "--fast" in done.json.pop("error")
    assert done.json["exit_code"] == 2


def test_a_path_with_spaces_and_umlauts(
    run_cli: Cli, elements: Path, finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "Rolle 3 – Übergröße 50%"
    elements.rename(folder)
    monkeypatch.chdir(tmp_path)
    source, output = Path(folder.name, "neg.####.exr"), Path(folder.name, "wiederhergestellt", "szene ä.####.exr")
    done = run_cli("apply", finished_run, "--input", source, "--output", output, "--frames", "1001-1005x2", "--json")
    assert done.code == 0, done.err
    assert done.json["done"] == [1001, 1003, 1005]
    again = run_cli("apply", finished_run, "--input", source, "--output", output, "--skip-existing", "--json").json
    assert again["skipped"] == [1001, 1003, 1005]
    assert again["done"] == [1002, 1004, 1006, 1007, 1008]


def test_the_status_of_a_finished_run_has_the_figure_of_its_model(run_cli: Cli, tmp_path: Path) -> None:
    log = EventLog(RunFolder(tmp_path).events)
    log.append("held_out", step=4, psnr=36.0)
    assert "held-out 36.00 dB" in run_cli("status", tmp_path).err
    log.append("finished", step=4, psnr=34.5, share=0.25)
    assert "held-out 34.50 dB with 25% of the correction" in run_cli("status", tmp_path).err
    log.append("finished", step=4, psnr=None, share=0.25)
    assert "dB" not in run_cli("status", tmp_path).err


def test_a_run_that_has_ended_is_not_asked_to_stop(run_cli: Cli, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    EventLog(run.events).append("progress", step=4)
    with run.locked():
        done = run_cli("stop", tmp_path, "--json")
        assert (done.sentence, done.json["asked"]) == (f"Asked {tmp_path} to stop.", True)
    assert "it was killed, or runs on a machine" in run_cli("stop", tmp_path).sentence  # its lock may not be seen here
    run.stop_request.unlink()
    EventLog(run.events).append("finished", step=4)
    done = run_cli("stop", tmp_path, "--json")
    assert (done.code, done.json["asked"]) == (0, False)
    assert done.sentence == f"{tmp_path} is finished; nothing to stop."
    assert not run.stop_request.exists()


def test_a_whole_job(run_cli: Cli, elements: Path, finished_run: Path, tmp_path: Path) -> None:
    """What the training left is enough to look at, to compare and to judge; luma is the balanced source's."""
    status = run_cli("status", finished_run, "--json").json
    assert (status["state"], status["task"], status["last"]["finished"]["step"]) == ("finished", "chroma", 4)
    assert Path(status["model"]).is_file()

    recovered = tmp_path / "rec.####.exr"
    assert run_cli("apply", finished_run, "--input", elements / "neg.####.exr", "--output", recovered).code == 0
    assert read_frame(tmp_path / "rec.1008.exr").rgb.shape == (128, 160, 3)

    compared = run_cli(
        "compare", "--input", f"print={elements / 'print.####.exr'}", "--input", f"recovered={recovered}",
        "--frames", "1002", "--out", tmp_path / "proof", "--json",
    )  # fmt: skip
    assert compared.json["written"] == [str(tmp_path / "proof" / "comparison.1002.png")]

    reported = run_cli("report", finished_run, "--out", tmp_path / "report.html", "--json")
    assert reported.code == 0, reported.err
    assert "chose which weights are handed out" in (tmp_path / "report.html").read_text("utf-8")
    assert {"source, untouched", "recovered"} <= {score["label"] for score in reported.json["scores"]}


def test_a_training_as_it_is(run_cli: Cli, elements: Path, tmp_path: Path) -> None:
    done = run_cli(
        "train", "--task", "as-is", "--source", elements / "neg.####.exr", "--target", elements / "print.####.exr",
        "--frames", "1001,1004", "--steps", "2", "--size", "small", "--patch", "32", "--batch", "1",
        "--out", tmp_path / "run", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["model"] == str(tmp_path / "run" / "export" / "as-is.onnx")
    assert run_cli("report", tmp_path / "run").code == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "On the training pairs, since none was held out" in page and "2 frames, coded domain" in page
    assert "not trained on" not in page and "chose which weights" not in page
    again = run_cli("train", "--task", "as-is", "--source", "a", "--target", "b", "--steps", "2", "--out", tmp_path / "run")
    assert again.code == 3
    assert "already holds a run" in again.sentence


def test_analysis_of_both_elements(run_cli: Cli, elements: Path, tmp_path: Path) -> None:
    files = ("analyse", elements / "neg.####.exr", "--against", elements / "print.####.exr")
    done = run_cli(*files, "--frames", "1001,1005", "--json")
    assert done.code == 0, done.err
    assert len(done.json["elements"]) == 2
    assert done.json["advice"]
    picture = (elements / "neg.1001.exr").read_bytes()
    for frame in range(1, 31):
        (tmp_path / f"long.{frame:04d}.exr").write_bytes(picture)
    long = run_cli("analyse", tmp_path / "long.####.exr", "--frames", "1-30", "--json")
    assert "24 of the 30 frames are looked at" in long.err and len(long.json["elements"][0]["frames"]) == 24
    out = tmp_path / "analysis"
    thorough = run_cli(*files, "--out", out, "--json")
    assert thorough.code == 0, thorough.err
    record = load_analysis(out / "analysis.json")
    assert record.advice == thorough.json["advice"]
    assert all(element.shots and element.sentence for element in record.elements)
    assert [[shot.first for shot in element.shots] for element in record.elements] == [
        [first for first, _, _ in shots] for shots in thorough.json["shots"]
    ]
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "http" not in page and "8 frames, 1001–1008, " in page and "1 shots" not in page
    assert {picture.name for picture in out.glob("*.png")} == {"spectra.png", "layers.png", "time_1.png", "time_2.png"}
    assert run_cli(*files, "--out", tmp_path / "figures.json").code == 2


def test_the_doctor_tells_what_is_here(run_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCIO", "/nowhere/config.ocio")
    done = run_cli("doctor", "--quick", "--json")
    assert done.code == 0
    assert all(done.json["packages"].values())
    assert done.json["training_device"]
    assert [problem for problem in done.json["problems"] if "/nowhere/config.ocio" in problem]


def test_a_refused_training_tells_why_afterwards(run_cli: Cli, elements: Path, tmp_path: Path, training: Options) -> None:
    (elements / "neg.1004.exr").unlink()
    refused = run_cli("train", *training(elements), "--steps", "2", "--out", tmp_path / "run")
    assert refused.code == 3
    status = run_cli("status", tmp_path / "run", "--json")
    assert status.code == 0
    assert (status.json["state"], status.json["task"]) == ("failed", None)
    assert "no frame 1004" in status.err
    (tmp_path / "run" / "events.jsonl").unlink()
    with RunFolder(tmp_path / "run").locked():  # as the next attempt does
        assert run_cli("status", tmp_path / "run", "--json").json["state"] == "running"


def test_a_bar_on_a_terminal_and_lines_elsewhere(
    run_cli: Cli, elements_master: Path, training: Options, variables: dict[str, str]
) -> None:
    lines = run_cli("verify", *training(elements_master))
    assert lines.code == 0
    assert re.search(r"^pair 4/4", lines.err, re.MULTILINE)
    assert "\r" not in lines.err

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 100, 0, 0))
    command = [sys.executable, "-m", "film_recovery.cli.main", "verify", *training(elements_master)]
    process = subprocess.Popen(command, stderr=theirs, env=variables)
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert process.wait() == 0
    assert b"100%" in shown
    assert b"4/4" in shown


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux answers so once the other end is closed
        return b""


def test_what_is_written_twice_is_the_same(run_cli: Cli, elements: Path, finished_run: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        output = tmp_path / name / "rec.####.exr"
        done = run_cli("apply", finished_run, "--input", elements / "neg.####.exr", "--output", output, "--frames", "1002")
        assert done.code == 0
    first, second = (read_frame(tmp_path / name / "rec.1002.exr").rgb for name in ("one", "two"))
    np.testing.assert_array_equal(first, second)


def test_a_training_says_at_its_end_what_is_wrong_and_the_report_shows_it(
    run_cli: Cli, elements: Path, tmp_path: Path, training: Options
) -> None:
    shutil.copy(elements / "neg.1001.exr", elements / "neg.1005.exr")  # the held-out frame is a training frame again
    shutil.copy(elements / "print.1001.exr", elements / "print.1005.exr")
    run = tmp_path / "run"
    done = run_cli("train", *training(elements), "--steps", "40", "--stop-when-level", "--out", run, "--json")
    assert done.code == 0, done.err
    named = {finding["name"]: finding for finding in done.json["findings"]}
    leak = named["held-out-leak"]
    assert leak["frames"] == [1005] and (run / leak["picture"]).is_file()
    assert f"Warning (held-out-leak): {leak['sentence']} {leak['advice']} See {run / leak['picture']}" in done.err
    assert run_cli("report", run).code == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Held out leak." in page and leak["advice"] in page and "Source, reference, target, recovered" in page
