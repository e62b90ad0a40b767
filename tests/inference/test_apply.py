from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import OpenImageIO as oiio
import pytest
import torch

import film_recovery
from film_recovery.contract.card import ModelCard
from film_recovery.contract.errors import (
    BusyError,
    DeviceError,
    DivergedError,
    InputError,
    MissingFrameError,
    ModelFileError,
    StoppedError,
    UnreadableImageError,
    UsageError,
)
from film_recovery.contract.processes import this_machine
from film_recovery.contract.progress import SilentReporter
from film_recovery.images import io
from film_recovery.images.frame import Frame, Window
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.ocio import to_aces
from film_recovery.images.sequence import open_sequence
from film_recovery.inference import session
from film_recovery.inference.outputs import Outputs
from film_recovery.inference.sequence import apply_model
from film_recovery.inference.session import InferenceOptions, ModelSession
from film_recovery.inference.tiles import WHOLE_PIXELS, OutOfMemory
from film_recovery.modelfile.check import kept_change
from film_recovery.modelfile.export import export_model
from film_recovery.modelfile.load import load_model
from film_recovery.training.graph import RecoveryGraph

FRAMES = [1001, 1002, 1003, 1004, 1005]


def make_model(path: Path, encoding: str = "display", seed: int = 3) -> Path:
    torch.manual_seed(seed)
    graph = RecoveryGraph("chroma", size="small", encoding=encoding, matrix="709", balance=None).eval()
    for parameter in graph.network.parameters():
        torch.nn.init.normal_(parameter, std=0.03)
    card = ModelCard("t", "chroma", "luma", encoding, "709", None, "small", graph.receptive_field, graph.multiple, 1)
    export_model(graph, card, path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "chroma.onnx")


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "coded.onnx", "none")


@pytest.fixture
def shot(tmp_path: Path, photograph: np.ndarray) -> Path:
    folder = tmp_path / "in put ü"
    for index, frame in enumerate(FRAMES):
        rgb = photograph[index : index + 60, :90].copy()
        window = Window(-4, 2, 90, 60)
        extra = {"A": rgb[..., 0], "matte.red": rgb[..., 1]}
        picture = Frame(rgb, window, Window(0, 0, 80, 64), extra, {"FramesPerSecond": 24.0, "note": "kept"})
        write_frame(folder / f"scan.{frame}.exr", picture, "float")
    return folder / "scan.####.exr"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_everything_of_a_frame_is_carried_and_luma_is_kept(model: Path, shot: Path, tmp_path: Path) -> None:
    report = apply_model(model, open_sequence(shot), tmp_path / "out" / "r.####.exr", [1002], pixel_type="float")
    source, result = read_frame(shot.parent / "scan.1002.exr"), read_frame(tmp_path / "out" / "r.1002.exr")
    assert report.done == [1002] and sorted(files(tmp_path / "out")) == ["r.1002.exr"]
    assert (result.data_window, result.display_window) == (source.data_window, source.display_window)
    assert list(result.extra) == ["A", "matte.red"] and np.array_equal(result.extra["matte.red"], source.extra["matte.red"])
    assert result.metadata["note"] == "kept"
    assert result.metadata["film_recovery/task"] == "chroma"
    assert result.metadata["film_recovery/model"] == load_model(model).sha256
    assert kept_change(source.rgb, result.rgb, load_model(model).card) <= 1e-6
    assert np.abs(result.rgb - source.rgb).max() > 0.01


def test_chunks_in_any_order_equal_one_run(model: Path, shot: Path, tmp_path: Path) -> None:
    sequence = open_sequence(shot)
    apply_model(model, sequence, tmp_path / "one" / "r.####.exr")
    for chunk in ([1005, 1003], [1001], [1004, 1002]):
        apply_model(model, sequence, tmp_path / "many" / "r.####.exr", chunk)
    assert files(tmp_path / "one") == files(tmp_path / "many")


def test_only_missing_damaged_and_stale_frames_are_done_again(model: Path, shot: Path, tmp_path: Path) -> None:
    sequence, output = open_sequence(shot), tmp_path / "out" / "r.####.exr"
    apply_model(model, sequence, output, steady=False)
    whole = files(output.parent)
    (output.parent / "r.1001.exr").unlink()
    (output.parent / "r.1002.exr").write_bytes(whole["r.1002.exr"][:-900])
    changed = read_frame(shot.parent / "scan.1003.exr")
    changed.rgb[0, 0] += 0.25
    write_frame(shot.parent / "scan.1003.exr", changed, "float")
    report = apply_model(model, sequence, output, skip_existing=True, steady=False)
    assert report.done == [1001, 1002, 1003] and report.skipped == [1004, 1005]
    after = files(output.parent)
    assert {name for name in whole if after[name] != whole[name]} == {"r.1003.exr"}
    changed.metadata["smpte:TimeCode"] = (oiio.TypeDesc("timecode"), (0x01020304, 0))
    write_frame(shot.parent / "scan.1003.exr", changed, "float")
    assert apply_model(model, sequence, output, skip_existing=True, steady=False).done == [1003]
    assert read_frame(output.parent / "r.1003.exr").metadata["smpte:TimeCode"][1] == (0x01020304, 0)
    other = make_model(tmp_path / "other.onnx", seed=9)
    assert apply_model(other, sequence, output, skip_existing=True, steady=False).skipped == []


def test_frames_of_another_depth_or_release_are_done_again(
    model: Path, shot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_done(pixel_type: str | None) -> bool:
        output, asked = tmp_path / "out" / "r.####.exr", {"skip_existing": True, "steady": False}
        return bool(apply_model(model, open_sequence(shot), output, [1001], pixel_type=pixel_type, **asked).done)

    assert [is_done(kind) for kind in (None, None, "float", "float", None)] == [True, False, True, False, False]
    monkeypatch.setattr(film_recovery, "__version__", "0.0.0")
    assert [is_done("float"), is_done("float")] == [True, False]


def test_frames_of_another_precision_are_done_again(model: Path, shot: Path, tmp_path: Path) -> None:
    def is_done(precision: str) -> bool:
        output, options = tmp_path / "out" / "r.####.exr", InferenceOptions(device="cpu", precision=precision)
        return bool(apply_model(model, open_sequence(shot), output, [1001], options, skip_existing=True).done)

    assert [is_done(precision) for precision in ("fp32", "fp16", "fp16", "auto")] == [True, True, False, True]


def test_frames_that_are_passed_over_are_told(model: Path, shot: Path, tmp_path: Path) -> None:
    said: list[str] = []

    class Listens(SilentReporter):
        def note(self, text: str) -> None:
            said.append(text)

    for frame in (1002, 1004):
        (shot.parent / f"scan.{frame}.exr").unlink()
    report = apply_model(model, open_sequence(shot), tmp_path / "out" / "r.####.exr", reporter=Listens())
    assert (report.done, report.missing) == ([1001, 1003, 1005], "1002,1004")
    assert any(f"{shot} lacks 1002,1004, which are passed over." in line for line in said)
    assert apply_model(model, open_sequence(shot), tmp_path / "out" / "r.####.exr", [1003]).missing == ""


def test_an_output_under_the_home_folder_is_put_there(
    model: Path, shot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    apply_model(model, open_sequence(shot), "~/out/r.####.exr", [1001])
    assert (tmp_path / "home" / "out" / "r.1001.exr").is_file() and not (tmp_path / "~").exists()


def test_a_tiff_takes_no_channel_for_alpha(model: Path, shot: Path, tmp_path: Path) -> None:
    frame = read_frame(shot.parent / "scan.1001.exr")
    for extra in ({}, {"A": frame.extra["A"]}):
        picture = dataclasses.replace(frame, extra={"matte.red": frame.extra["matte.red"], **extra})
        write_frame(tmp_path / "plain" / "a.0001.exr", picture, "float")
        apply_model(model, open_sequence(tmp_path / "plain"), tmp_path / "out" / "r.####.tif")
        assert list(read_frame(tmp_path / "out" / "r.0001.tif").extra) == list(extra)


def test_a_model_that_makes_another_size_is_none(model: Path) -> None:
    size = [onnx.helper.make_tensor("size", onnx.TensorProto.FLOAT, [4], [1.0, 1.0, 0.5, 0.5])]
    node = onnx.helper.make_node("Resize", ["rgb", "", "size"], ["recovered"], mode="nearest")
    shape = [1, 3, None, None]
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("rgb", "recovered")]
    graph = onnx.helper.make_graph([node], "half", ends[:1], ends[1:], size)
    other = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    loaded = dataclasses.replace(load_model(model), content=other.SerializeToString(), sha256="half")
    with pytest.raises(ModelFileError, match=r"another size \(64x32 and 32x16\)"):
        ModelSession(loaded, InferenceOptions(device="cpu")).run(np.zeros((32, 64, 3), np.float32))


def test_no_more_threads_are_made_than_the_process_has_processors(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "processors", lambda: 3)
    made = ModelSession(load_model(model), InferenceOptions(device="cpu"))
    assert [made._session("fp32", count).get_session_options().intra_op_num_threads for count in (1, 2, 3)] == [3, 1, 1]


def test_a_dpx_cannot_say_what_it_is_made_of_and_is_done_again(coded: Path, photograph: np.ndarray, tmp_path: Path) -> None:
    write_frame(tmp_path / "a.0001.dpx", Frame.from_rgb(photograph[:40, :40]))
    sequence, output = open_sequence(tmp_path / "a.####.dpx"), tmp_path / "out" / "r.####.dpx"
    for _ in range(2):
        assert apply_model(coded, sequence, output, skip_existing=True).done == [1]


def test_only_what_nobody_writes_any_more_of_our_frames_is_cleared(model: Path, shot: Path, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    names = {
        who: f".r.{frame}.{this_machine()}-{process}.partial.exr"
        for who, frame, process in (("ours", 1001, ended.pid), ("living", 1001, os.getppid()), ("other", 1002, ended.pid))
    }
    (tmp_path / "out").mkdir()
    for name in names.values():
        (tmp_path / "out" / name).touch()
    apply_model(model, open_sequence(shot), tmp_path / "out" / "r.####.exr", [1001], steady=False)
    assert set(files(tmp_path / "out")) == {"r.1001.exr", names["living"], names["other"]}


def test_an_input_by_another_name_is_not_written_over(model: Path, shot: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(shot.parent)
    before = files(shot.parent)
    with pytest.raises(InputError, match="overwrite its input"):
        apply_model(model, open_sequence(shot), tmp_path / "linked" / shot.name)
    assert files(shot.parent) == before


def test_a_png_of_frames_with_windows_has_their_display_window_and_is_not_done_twice(
    coded: Path, photograph: np.ndarray, tmp_path: Path
) -> None:
    metadata = {"film_recovery/coded": 1}
    picture = Frame(photograph[:60, :90], Window(-4, 2, 90, 60), Window(0, 0, 80, 64), metadata=metadata)
    write_frame(tmp_path / "scan.1001.exr", picture)
    sequence, output = open_sequence(tmp_path / "scan.####.exr"), tmp_path / "out" / "r.####.png"
    assert apply_model(coded, sequence, output).done == [1001]
    found = read_frame(output.parent / "r.1001.png")
    assert found.rgb.shape == (64, 80, 3) and not found.rgb[:2].any() and found.rgb[2:62].any(axis=-1).all()
    assert apply_model(coded, sequence, output, skip_existing=True).skipped == [1001]


@pytest.mark.parametrize("same", [False, True], ids=["another_model", "the_same_model"])
def test_a_frame_that_another_model_writes_meanwhile_stays_and_is_told(
    model: Path, shot: Path, tmp_path: Path, same: bool
) -> None:
    output, sequence = tmp_path / "out" / "r.####.exr", open_sequence(shot)
    other = model if same else make_model(tmp_path / "other.onnx", seed=9)

    class OtherRun(SilentReporter):
        def should_stop(self) -> bool:
            if not output.parent.exists():
                apply_model(other, sequence, output, [1001], steady=False)
                written.update(files(output.parent))
            return False

    written: dict[str, bytes] = {}
    with contextlib.nullcontext() if same else pytest.raises(BusyError, match=r"another .*r\.1001\.exr"):
        apply_model(model, sequence, output, [1001], steady=False, reporter=OtherRun())
    assert files(output.parent) == written and list(written) == ["r.1001.exr"]


def test_a_frame_that_another_model_writes_over_is_told_at_the_end(model: Path, shot: Path, tmp_path: Path) -> None:
    output, sequence = tmp_path / "out" / "r.####.exr", open_sequence(shot)
    other = make_model(tmp_path / "other.onnx", seed=9)

    class OtherRun(SilentReporter):
        def progress(self, done: int, total: int, unit: str, figures: dict[str, float] | None = None) -> None:
            if done == 1:
                apply_model(other, sequence, output, [1001], steady=False)

    with pytest.raises(BusyError, match=r"another .*r\.1001\.exr"):
        apply_model(model, sequence, output, [1001, 1002], steady=False, reporter=OtherRun())


def test_a_frame_that_another_model_writes_during_the_encoding_stays(
    model: Path, shot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, sequence = tmp_path / "out" / "r.####.exr", open_sequence(shot)
    apply_model(make_model(tmp_path / "other.onnx", seed=9), sequence, tmp_path / "r.####.exr", [1001], steady=False)
    written = (tmp_path / "r.1001.exr").read_bytes()
    encode = io._write

    def slow(path: Path, *rest: object) -> None:
        encode(path, *rest)
        path.write_bytes(written)

    monkeypatch.setattr(io, "_write", slow)
    with pytest.raises(BusyError, match=r"another .*r\.1001\.exr"):
        apply_model(model, sequence, output, [1001], steady=False)
    assert files(output.parent) == {"r.1001.exr": written}


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_an_output_in_place_of_a_file_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is a file, not a folder"):
        Outputs(tmp_path / folder / "r.####.exr", [1], None)


def test_missing_and_damaged_inputs_stop_with_a_sentence_and_whole_frames(model: Path, shot: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "r.####.exr"
    with pytest.raises(MissingFrameError, match="lacks frames 1000,1006"):
        apply_model(model, open_sequence(shot), output, [1000, 1001, 1006])
    with pytest.raises(MissingFrameError, match="lacks frame 1000; restore it"):
        apply_model(model, open_sequence(shot), output, [1000, 1001])
    assert not output.parent.exists()
    third = shot.parent / "scan.1003.exr"
    third.write_bytes(third.read_bytes()[:3000])
    with pytest.raises(UnreadableImageError, match=r"scan\.1003\.exr"):
        apply_model(model, open_sequence(shot), output)
    for path in output.parent.iterdir():
        assert read_frame(path).rgb.shape == (60, 90, 3)


def test_nan_pixels_wrong_domain_and_overwriting_are_refused(
    model: Path, shot: Path, photograph: np.ndarray, tmp_path: Path
) -> None:
    write_frame(tmp_path / "png" / "a.0001.png", Frame.from_rgb(photograph[:40, :40]))
    with pytest.raises(InputError, match="trained on linear light"):
        apply_model(model, open_sequence(tmp_path / "png"), tmp_path / "out" / "r.####.png")
    with pytest.raises(InputError, match=r"linear light.* write \.exr"):
        apply_model(model, open_sequence(shot), tmp_path / "out" / "r.####.png")
    with pytest.raises(InputError, match="overwrite its input"):
        apply_model(model, open_sequence(shot), shot)
    with pytest.raises(UsageError, match="place for the frame number"):
        apply_model(model, open_sequence(shot), tmp_path / "out.exr")
    import OpenEXR

    bad = photograph[:40, :40].copy()
    bad[1, 1, 1] = np.nan
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": bad}).write(str(tmp_path / "nan.0001.exr"))
    with pytest.raises(InputError, match=r"Frame 1 .* has 1 values that are NaN"):
        apply_model(model, open_sequence(tmp_path / "nan.####.exr"), tmp_path / "out" / "r.####.exr")


@pytest.mark.parametrize("shape", [(3, 3), (64, 3), (1, 40)])
def test_tiny_pictures_go_through(model: Path, shape: tuple[int, int], tmp_path: Path) -> None:
    write_frame(tmp_path / "a.0001.exr", Frame.from_rgb(np.full((*shape, 3), 0.3, np.float32)))
    apply_model(model, open_sequence(tmp_path / "a.####.exr"), tmp_path / "out" / "r.####.exr")
    assert read_frame(tmp_path / "out" / "r.0001.exr").rgb.shape == (*shape, 3)


@pytest.mark.parametrize(
    ("suffix", "pixel_type"),
    [(".dpx", "uint8"), (".dpx", "uint10"), (".dpx", "uint12"), (".dpx", "uint16"), (".png", "uint8"), (".tif", "uint8")],
)
def test_integer_files_stay_in_their_kind_and_depth(
    coded: Path, suffix: str, pixel_type: str, photograph: np.ndarray, tmp_path: Path
) -> None:
    write_frame(tmp_path / "in" / f"a.0001{suffix}", Frame.from_rgb(photograph[:40, :40]), pixel_type)
    apply_model(coded, open_sequence(tmp_path / "in"), tmp_path / "out" / f"r.####{suffix}")
    assert read_frame(tmp_path / "out" / f"r.0001{suffix}").pixel_type == pixel_type


@pytest.mark.parametrize(("suffix", "pixel_type"), [(".dpx", "half"), (".tif", "float")])
def test_coded_values_stay_coded_in_an_exr(
    coded: Path, suffix: str, pixel_type: str, photograph: np.ndarray, tmp_path: Path
) -> None:
    write_frame(tmp_path / "in" / f"a.0001{suffix}", Frame.from_rgb(photograph[:40, :40]))
    apply_model(coded, open_sequence(tmp_path / "in"), tmp_path / "out" / "r.####.exr", steady=False)
    first = read_frame(tmp_path / "out" / "r.0001.exr")
    assert first.is_coded and first.pixel_type == pixel_type
    apply_model(coded, open_sequence(tmp_path / "out"), tmp_path / "more" / "r.####.exr", steady=False)
    second = read_frame(tmp_path / "more" / "r.0001.exr")
    assert second.is_coded and second.pixel_type == pixel_type
    for output in ("r.####.dpx", "r.####.png"):
        with pytest.raises(InputError, match=r"linear light.* write \.exr"):
            apply_model(coded, open_sequence(tmp_path / "in"), tmp_path / "aces" / output, aces_from="ACES2065-1")
    apply_model(coded, open_sequence(tmp_path / "in"), tmp_path / "aces" / "r.####.exr", aces_from="ACES2065-1")
    assert not read_frame(tmp_path / "aces" / "r.0001.exr").is_coded


def test_a_float_file_whose_header_says_coded_is_not_called_integers(
    model: Path, photograph: np.ndarray, tmp_path: Path
) -> None:
    picture = Frame.from_rgb(photograph[:40, :40])
    picture.metadata["film_recovery/coded"] = 1
    write_frame(tmp_path / "a.0001.exr", picture)
    with pytest.raises(InputError, match=r"holds display-coded values, but .* linear light") as refused:
        apply_model(model, open_sequence(tmp_path / "a.####.exr"), tmp_path / "out" / "r.####.exr")
    assert "--coded" not in str(refused.value), "the header has said so"


def test_float_files_are_coded_where_that_is_said(coded: Path, photograph: np.ndarray, tmp_path: Path) -> None:
    for name in ("a.0001.exr", "a.0001.dpx"):
        write_frame(tmp_path / name[-3:] / name, Frame.from_rgb(np.rint(photograph[:40, :40] * 1023.0) / 1023.0), None)
    with pytest.raises(InputError, match="--coded"):
        apply_model(coded, open_sequence(tmp_path / "exr"), tmp_path / "out" / "r.####.exr")
    apply_model(coded, dataclasses.replace(open_sequence(tmp_path / "exr"), holds_coded=True), tmp_path / "out" / "r.####.exr")
    apply_model(coded, open_sequence(tmp_path / "dpx"), tmp_path / "out" / "d.####.exr")
    found, wanted = (read_frame(tmp_path / "out" / name) for name in ("r.0001.exr", "d.0001.exr"))
    assert found.is_coded and np.abs(found.rgb - wanted.rgb).max() < 2e-3  # the one was stored as half


def test_bad_half_results_are_redone_in_single_and_hopeless_ones_named(
    model: Path, shot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = InferenceOptions(precision="fp16")
    monkeypatch.setattr(ModelSession, "run", lambda self, rgb, at_once: rgb * np.float32("nan"))
    report = apply_model(model, open_sequence(shot), tmp_path / "out" / "r.####.exr", [1001], options)
    assert report.redone_in_single == [1001]
    monkeypatch.setattr(ModelSession, "run_single", lambda self, rgb, at_once: rgb * 0.0)
    with pytest.raises(DivergedError, match=r"scan\.1002\.exr"):
        apply_model(model, open_sequence(shot), tmp_path / "out" / "r.####.exr", [1002], options)


def test_frames_go_through_the_model_together_and_come_out_as_alone(
    model: Path, shot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, together = InferenceOptions(device="cpu", threads=1), InferenceOptions(device="cpu", threads=2)
    apply_model(model, open_sequence(shot), tmp_path / "alone" / "r.####.exr", FRAMES[:4], alone, steady=False)
    both, run = threading.Barrier(2, timeout=60.0), ModelSession.run

    def run_with_another(self: ModelSession, rgb: np.ndarray, at_once: int) -> np.ndarray:
        both.wait()  # broken, and so an error, where no other frame comes in time
        return run(self, rgb, at_once)

    monkeypatch.setattr(ModelSession, "run", run_with_another)
    apply_model(model, open_sequence(shot), tmp_path / "together" / "r.####.exr", FRAMES[:4], together, steady=False)
    assert files(tmp_path / "alone") == files(tmp_path / "together")


@pytest.mark.parametrize("bad", FRAMES)
def test_of_frames_in_the_model_together_those_before_a_bad_one_are_written(
    model: Path, shot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: int
) -> None:
    run, spoiled = ModelSession.run, read_frame(shot.parent / f"scan.{bad}.exr").rgb

    def run_or_spoil(self: ModelSession, rgb: np.ndarray, at_once: int) -> np.ndarray:
        return run(self, rgb, at_once) * np.float32("nan" if np.array_equal(rgb, spoiled) else 1.0)

    monkeypatch.setattr(ModelSession, "run", run_or_spoil)
    options = InferenceOptions(device="cpu", threads=4)
    with pytest.raises(DivergedError, match=rf"scan\.{bad}\.exr"):
        apply_model(model, open_sequence(shot), tmp_path / "out" / "r.####.exr", None, options, steady=False)
    assert [path.name for path in sorted((tmp_path / "out").glob("*"))] == [f"r.{frame}.exr" for frame in FRAMES if frame < bad]


def test_a_share_of_the_processors_hangs_on_the_frame_alone(
    model: Path, shot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since last bits of a result can hang on the share, and chunks are to equal the whole."""
    run, shares = ModelSession.run, set()

    def run_and_tell(self: ModelSession, rgb: np.ndarray, at_once: int) -> np.ndarray:
        shares.add(at_once)
        return run(self, rgb, at_once)

    monkeypatch.setattr(ModelSession, "run", run_and_tell)
    options = InferenceOptions(device="cpu", threads=4)
    for name, chunk in (("whole", FRAMES), ("one", [1003]), ("two", [1001, 1005])):
        for steady in (True, False):
            apply_model(model, open_sequence(shot), tmp_path / name / "r.####.exr", chunk, options, steady=steady)
    assert shares == {4}


def test_what_is_in_the_model_together_does_not_grow_with_frames_or_processors(model: Path) -> None:
    def many(threads: int, pixels: int) -> int:
        return ModelSession(load_model(model), InferenceOptions(device="cpu", threads=threads)).at_once(pixels)

    sizes = [64 * 64, 1080 * 1920, 1556 * 2048, WHOLE_PIXELS, 2160 * 4096, 3112 * 4096, 8192 * 8192]
    assert [many(64, pixels) for pixels in sizes] == [4, 4, 3, 2, 2, 1, 1]
    for threads in range(1, 20):
        together = many(threads, 64 * 64)
        assert 1 <= together <= 4 and threads * 3 / 4 <= threads // together * together <= threads
    assert many(1, 64 * 64) == 1 and many(2, 64 * 64) == 2


def test_a_frame_that_cannot_be_written_ends_the_run_with_its_own_error(
    model: Path, shot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, bright = ModelSession.run, read_frame(shot.parent / "scan.1002.exr").rgb

    def run_too_bright(self: ModelSession, rgb: np.ndarray, at_once: int) -> np.ndarray:
        return run(self, rgb, at_once) + np.float32(1e6 if np.array_equal(rgb, bright) else 0.0)

    monkeypatch.setattr(ModelSession, "run", run_too_bright)
    options = InferenceOptions(device="cpu", threads=4)
    with pytest.raises(InputError, match=r"r\.1002\.exr.*largest half"):
        apply_model(model, open_sequence(shot), tmp_path / "out" / "r.####.exr", None, options, steady=False)
    written = {path.name for path in (tmp_path / "out").glob("*")}
    assert written in ({"r.1001.exr"}, {"r.1001.exr", "r.1003.exr"})  # two are written at once


def test_memory_that_runs_out_in_several_frames_makes_the_tile_smaller_and_never_larger(
    model: Path, tmp_path: Path, photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = np.tile(photograph, (3, 3, 1))[:700, :900].astype(np.float32)
    for frame in FRAMES[:4]:
        write_frame(tmp_path / "in" / f"scan.{frame}.exr", Frame.from_rgb(large + 0.001 * (frame % 10)), "float")
    options, source = InferenceOptions(device="cpu", threads=4), open_sequence(tmp_path / "in" / "scan.####.exr")
    apply_model(model, source, tmp_path / "roomy" / "r.####.exr", None, options, steady=False)
    run, told = ModelSession.run, []

    def run_in_little_room(self: ModelSession, rgb: np.ndarray, at_once: int) -> np.ndarray:
        if rgb.shape[0] * rgb.shape[1] > 500 * 500:
            raise OutOfMemory("no room")
        return run(self, rgb, at_once)

    class Listens(SilentReporter):
        def note(self, text: str) -> None:
            told.append(text)

    monkeypatch.setattr(ModelSession, "run", run_in_little_room)
    apply_model(model, source, tmp_path / "tight" / "r.####.exr", None, options, steady=False, reporter=Listens())
    assert len(told) == 1 and told[0].startswith("Memory ran out; going on with tiles of")
    for frame in FRAMES[:4]:
        roomy, tight = (read_frame(tmp_path / name / f"r.{frame}.exr").rgb for name in ("roomy", "tight"))
        assert np.abs(roomy - tight).max() <= 1e-3  # halves


def test_a_master_is_written_as_aces_and_says_so(model: Path, shot: Path, tmp_path: Path) -> None:
    space, sequence = "Linear Rec.709 (sRGB)", open_sequence(shot)
    apply_model(model, sequence, tmp_path / "plain" / "r.####.exr", [1001], pixel_type="float")
    output = tmp_path / "aces" / "r.####.exr"
    apply_model(model, sequence, output, [1001], pixel_type="float", aces_from=space)
    plain, aces = (read_frame(tmp_path / folder / "r.1001.exr") for folder in ("plain", "aces"))
    assert np.allclose(aces.rgb, to_aces(plain.rgb, space), atol=1e-6)
    assert "chromaticities" in aces.metadata
    assert apply_model(model, sequence, output, [1001], aces_from=space, skip_existing=True).skipped == [1001]
    assert apply_model(model, sequence, output, [1001], skip_existing=True).done == [1001]
    with pytest.raises(InputError, match=r"no space 'Linear Rec\.708'"):
        apply_model(model, sequence, tmp_path / "none" / "r.####.exr", aces_from="Linear Rec.708")


def test_a_device_that_is_not_there_is_an_error(model: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    with pytest.raises(DeviceError, match="no CUDA"):
        ModelSession(load_model(model), InferenceOptions(device="cuda"))


def test_a_request_to_stop_leaves_whole_frames(model: Path, shot: Path, tmp_path: Path) -> None:
    class StopsAfterTwo(SilentReporter):
        asked = 0

        def should_stop(self) -> bool:
            self.asked += 1
            return self.asked > 4  # two frames wait for those beside them

    with pytest.raises(StoppedError, match=r"1001-1002 is done\. Run again with --skip-existing to go on"):
        apply_model(model, open_sequence(shot), tmp_path / "out" / "r.####.exr", reporter=StopsAfterTwo())
    with pytest.raises(StoppedError, match=r"1001-1002 is done\. Run again with --frames 1003-1005 to go on"):
        apply_model(model, open_sequence(shot), tmp_path / "told" / "r.####.tif", reporter=StopsAfterTwo())
    assert sorted(files(tmp_path / "out")) == ["r.1001.exr", "r.1002.exr"]


def test_a_killed_process_leaves_only_whole_frames_and_the_next_goes_on(model: Path, shot: Path, tmp_path: Path) -> None:
    for extra in range(1006, 1040):
        shutil.copy(shot.parent / "scan.1001.exr", shot.parent / f"scan.{extra}.exr")
    output = tmp_path / "out" / "r.####.exr"
    code = (
        "import sys; from film_recovery.images.sequence import open_sequence; "
        "from film_recovery.inference.sequence import apply_model; "
        "apply_model(sys.argv[1], open_sequence(sys.argv[2]), sys.argv[3])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(model), str(shot), str(output)], env=dict(os.environ))
    deadline = time.monotonic() + 60
    while not (output.parent / "r.1003.exr").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for path in output.parent.glob("r.*.exr"):
        assert read_frame(path).rgb.shape == (60, 90, 3)
    report = apply_model(model, open_sequence(shot), output, skip_existing=True)
    assert report.skipped and len(report.done) + len(report.skipped) == 39
    assert not list(output.parent.glob(".*partial*"))
