"""What people get wrong, tried for real: one sentence, the right exit code, nothing half-written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
import pytest
import torch

from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.inference.session import ModelSession

Cli = Callable[..., Any]
Options = Callable[..., list[str]]


def _files(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones too, but for the lock and the diary that every try leaves."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name not in ("lock", "events.jsonl"))


def _truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def test_a_missing_folder(run_cli: Cli, tmp_path: Path) -> None:
    run = tmp_path / "run"
    missing = tmp_path / "no" / "such" / "neg.####.exr"
    done = run_cli("train", "--task", "chroma", "--source", missing, "--reference", missing, "--steps", "2", "--out", run)
    assert done.code == 3
    assert done.sentence == f"The folder {missing.parent} does not exist; check the path of neg.####.exr."
    assert _files(run) == []


def test_mixed_sizes(run_cli: Cli, elements: Path, training: Options) -> None:
    path = elements / "neg.1004.exr"
    write_frame(path, Frame.from_rgb(np.ascontiguousarray(read_frame(path).rgb[:100])))
    done = run_cli("verify", *training(elements), "--steps", "2", "--json")
    assert done.code == 3
    assert "error: The source mixes sizes: frame 1001 is 160x128, frame 1004 is 160x100" in done.err
    assert done.json["exit_code"] == 3
    assert [finding["severity"] for finding in done.json["findings"]].count("error") == 1


def test_a_truncated_exr_in_the_middle_of_a_training(run_cli: Cli, elements: Path, tmp_path: Path, training: Options) -> None:
    _truncate(elements / "neg.1004.exr")
    run = tmp_path / "run"
    done = run_cli("train", *training(elements), "--steps", "2", "--out", run)
    assert done.code == 3
    assert "neg.1004.exr is damaged or not whole" in done.sentence
    assert _files(run) == []


def test_a_truncated_exr_in_the_middle_of_a_render(run_cli: Cli, elements: Path, tmp_path: Path, finished_run: Path) -> None:
    _truncate(elements / "neg.1004.exr")
    output = tmp_path / "out" / "rec.####.exr"
    done = run_cli("apply", finished_run, "--input", elements / "neg.####.exr", "--output", output)
    assert done.code == 3
    assert "neg.1004.exr is damaged or not whole" in done.sentence
    assert set(_files(output.parent)) <= {"rec.1001.exr", "rec.1002.exr", "rec.1003.exr"}
    for path in output.parent.iterdir():
        read_frame(path)


def test_coded_png_against_linear_exr(run_cli: Cli, elements: Path, tmp_path: Path, training: Options) -> None:
    for path in elements.glob("print.*.exr"):
        write_frame(path.with_suffix(".png"), Frame.from_rgb(np.clip(read_frame(path).rgb, 0, 1)), pixel_type="uint8")
    options = [option.replace("print.####.exr", "print.####.png") for option in training(elements)]
    done = run_cli("train", *options, "--steps", "2", "--out", tmp_path / "run")
    assert done.code == 3
    assert "convert one of them" in done.sentence
    assert _files(tmp_path / "run") == []


def test_a_range_with_gaps(run_cli: Cli, elements: Path, tmp_path: Path, finished_run: Path, training: Options) -> None:
    for frame in (1003, 1004):
        (elements / f"neg.{frame}.exr").unlink()
    output = tmp_path / "out" / "rec.####.exr"
    done = run_cli("apply", finished_run, "--input", elements / "neg.####.exr", "--output", output, "--frames", "1001-1008")
    assert done.code == 3
    assert "lacks frames 1003-1004; restore them or choose other --frames" in done.sentence
    assert not output.parent.exists()
    done = run_cli("verify", *training(elements), "--steps", "2")
    assert done.code == 3
    assert "error: " in done.err
    assert "no frame 1004" in done.err


@pytest.mark.parametrize("words", ["1-", "a", "1001:1003", "1x2x3", "1001-1010x0", ""])
def test_a_misspelt_range(words: str, run_cli: Cli, elements: Path, tmp_path: Path, finished_run: Path) -> None:
    output = tmp_path / "out" / "rec.####.exr"
    done = run_cli("apply", finished_run, "--input", elements / "neg.####.exr", "--output", output, "--frames", words)
    assert done.code == 2
    assert words in done.sentence
    assert not output.parent.exists()


def test_a_full_disk_while_rendering(run_cli: Cli, elements: Path, tiny_disk: Path, finished_run: Path) -> None:
    output = tiny_disk / "rec.####.exr"
    done = run_cli("apply", finished_run, "--input", elements / "neg.####.exr", "--output", output)
    assert done.code == 8
    assert str(tiny_disk) in done.sentence
    written = _files(tiny_disk)
    assert 1 <= len(written) < 8
    for name in written:
        read_frame(tiny_disk / name)


def test_a_full_disk_while_training(run_cli: Cli, elements: Path, tiny_disk: Path, training: Options) -> None:
    done = run_cli("train", *training(elements), "--steps", "2", "--out", tiny_disk / "run")
    assert done.code == 8
    assert str(tiny_disk) in done.sentence
    assert not [name for name in _files(tiny_disk) if "partial" in name]


def test_a_model_for_another_task(run_cli: Cli, elements: Path, tmp_path: Path, finished_run: Path, training: Options) -> None:
    run = tmp_path / "run"
    done = run_cli("train", *training(elements, "spatial"), "--steps", "2", "--initial-weights", finished_run, "--out", run)
    assert done.code == 3
    assert "are of a small chroma model, this run trains a small spatial model" in done.sentence
    assert not (run / "export").exists()


def test_a_model_for_linear_light_on_coded_files(run_cli: Cli, tmp_path: Path, finished_run: Path) -> None:
    write_frame(tmp_path / "scan.0001.png", Frame.from_rgb(np.full((64, 64, 3), 0.5, np.float32)), pixel_type="uint8")
    output = tmp_path / "out" / "rec.####.png"
    done = run_cli("apply", finished_run, "--input", tmp_path / "scan.####.png", "--output", output)
    assert done.code == 3
    assert "was trained on linear light" in done.sentence
    assert not output.parent.exists() or _files(output.parent) == []


@pytest.mark.parametrize("damage", ["empty", "truncated", "text"])
def test_a_damaged_model(damage: str, run_cli: Cli, elements: Path, tmp_path: Path, finished_run: Path) -> None:
    model = tmp_path / "model.onnx"
    shutil.copy(finished_run / "export" / "chroma.onnx", model)
    if damage == "truncated":
        _truncate(model)
    else:
        model.write_bytes(b"" if damage == "empty" else b"not a model at all\n")
    done = run_cli("apply", model, "--input", elements / "neg.####.exr", "--output", tmp_path / "out" / "rec.####.exr")
    assert done.code == 3
    assert str(model) in done.sentence
    assert not (tmp_path / "out").exists()


def test_nan_pixels(run_cli: Cli, elements: Path, tmp_path: Path, finished_run: Path, training: Options) -> None:
    path = elements / "neg.1004.exr"
    pixels = read_frame(path).rgb.copy()
    pixels[5, 7] = np.nan
    image = OpenImageIO.ImageBuf(OpenImageIO.ImageSpec(160, 128, 3, "half"))
    image.set_pixels(OpenImageIO.ROI(0, 160, 0, 128), pixels)
    assert image.write(str(path))
    run = tmp_path / "run"
    done = run_cli("train", *training(elements), "--steps", "2", "--out", run)
    assert done.code == 3
    assert done.sentence.startswith("Frame 1004 of the source has 1 pixels that are NaN or infinite;")
    assert _files(run) == []
    done = run_cli("apply", finished_run, "--input", path, "--output", tmp_path / "out" / "rec.####.exr")
    assert done.code == 3
    assert "Frame 1004 " in done.sentence
    assert "NaN or infinite" in done.sentence
    assert not (tmp_path / "out").exists() or _files(tmp_path / "out") == []


def test_a_frame_that_the_model_spoils(
    run_cli: Cli, elements: Path, tmp_path: Path, finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelSession, "run", lambda self, rgb, at_once: rgb * np.float32("nan"))
    output = tmp_path / "out" / "rec.####.exr"
    done = run_cli("apply", finished_run, "--input", elements / "neg.####.exr", "--output", output, "--frames", "1002")
    assert done.code == 5
    assert "gives NaN, infinite or black values for" in done.sentence and "neg.1002.exr" in done.sentence
    assert not output.parent.exists() or _files(output.parent) == []


def test_a_three_pixel_wide_image(run_cli: Cli, elements: Path, tmp_path: Path, finished_run: Path, training: Options) -> None:
    for path in elements.glob("*.exr"):
        write_frame(path, Frame.from_rgb(np.ascontiguousarray(read_frame(path).rgb[:, :3])))
    done = run_cli("train", *training(elements), "--steps", "2", "--out", tmp_path / "run")
    assert done.code == 3
    assert "is 3x128 pixels; at least 32 on each side are needed to train" in done.err
    assert _files(tmp_path / "run") == []
    output = tmp_path / "rec.####.exr"
    done = run_cli("apply", finished_run, "--input", elements / "neg.####.exr", "--output", output, "--frames", "1002")
    assert done.code == 0, done.err
    recovered = read_frame(tmp_path / "rec.1002.exr").rgb
    assert recovered.shape == (128, 3, 3)
    assert np.isfinite(recovered).all()


def test_output_over_its_input(run_cli: Cli, elements: Path, finished_run: Path) -> None:
    before = (elements / "neg.1001.exr").read_bytes()
    pattern = elements / "neg.####.exr"
    done = run_cli("apply", finished_run, "--input", pattern, "--output", pattern)
    assert done.code == 3
    assert "would overwrite its input" in done.sentence
    assert (elements / "neg.1001.exr").read_bytes() == before


def test_output_without_a_place_for_the_number(run_cli: Cli, elements: Path, tmp_path: Path, finished_run: Path) -> None:
    done = run_cli("apply", finished_run, "--input", elements / "neg.####.exr", "--output", tmp_path / "rec.exr")
    assert done.code == 2
    assert "recovered.####.exr" in done.sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--task", "as-is"), "needs --target and no --reference"),
        (("--steps", "0"), "at least one step"),
        (("--minutes", "1"), "either steps or minutes"),
        (("--frames", "1001,1005"), "Frame 1005 is on both sides of the held-out line"),
        (("--crop", "1,2,3"), "four whole numbers"),
        (("--balance", "1,2,3"), "12 numbers"),
        (("--balance", "some"), "is not a balance"),
        (("--patch", "30"), "multiple of 16"),
        (("--device", "gpu"), "'gpu' is not a device"),
    ],
)
def test_options_that_contradict_each_other(
    change: tuple[str, str], words: str, run_cli: Cli, elements_master: Path, tmp_path: Path, training: Options
) -> None:
    done = run_cli("train", *training(elements_master), "--steps", "2", *change, "--out", tmp_path / "run")
    assert done.code == 2
    assert words in done.sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_a_device_that_is_not_there(
    run_cli: Cli, elements: Path, tmp_path: Path, finished_run: Path, training: Options
) -> None:
    done = run_cli("train", *training(elements), "--steps", "2", "--device", "cuda:1", "--out", tmp_path / "run")
    assert done.code == 4
    frames = ("--input", elements / "neg.####.exr", "--output", tmp_path / "rec.####.exr")
    done = run_cli("apply", finished_run, *frames, "--device", "cuda")
    assert done.code == 4
    assert "cpu" in done.sentence


def test_folders_that_hold_no_run(run_cli: Cli, tmp_path: Path) -> None:
    for command in (("resume",), ("status",), ("stop",), ("report",)):
        done = run_cli(*command, tmp_path / "nothing", "--json")
        assert done.code == 3
        assert str(tmp_path / "nothing") in done.sentence
        assert done.json == {"error": done.sentence, "exit_code": 3}
    assert not (tmp_path / "nothing").exists()


def test_a_project_that_is_misspelt(run_cli: Cli, tmp_path: Path) -> None:
    project = tmp_path / "reel.toml"
    project.write_text('name = "reel"\nelemens = {}\n')
    done = run_cli("recover", project)
    assert done.code == 3
    assert "elemens" in done.sentence or "elements" in done.sentence


def test_comparing_one_thing_with_nothing(run_cli: Cli, elements: Path, tmp_path: Path) -> None:
    done = run_cli("compare", "--input", f"neg={elements / 'neg.####.exr'}", "--out", tmp_path / "proof")
    assert done.code == 2
    assert "two to six inputs" in done.sentence
    assert not (tmp_path / "proof").exists()
