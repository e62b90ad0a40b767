from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from film_recovery.contract.curation import AlignmentRecord, FrameAlignment
from film_recovery.contract.errors import InputError, StoppedError, VerificationError
from film_recovery.contract.job import TrainingJob
from film_recovery.contract.progress import SilentReporter
from film_recovery.images.colour import luma
from film_recovery.images.encodings import encode
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.pairs.balance import DensityBalance
from film_recovery.pairs.dataset import apply_balance, build_dataset, load_dataset

SHIFT = [2.4, -1.3]  # pixels by which the reference's picture lies off, as tests/pairs/conftest.py makes it
STRAIGHT = [[1.0, 0.0, -SHIFT[0]], [0.0, 1.0, -SHIFT[1]], [0.0, 0.0, 1.0]]  # where that picture lies, as align.json says it
SIZE = [208, 144]
JobMaker = Callable[..., TrainingJob]


@pytest.fixture(scope="module")
def built(elements_on_disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "dataset"
    source, reference = elements_on_disk / "faded film", elements_on_disk / "Kopie für Prüfung"
    job = TrainingJob("chroma", str(source / "scan.####.exr"), str(reference / "print.####.exr"), steps=1)
    build_dataset(job, folder)
    return folder


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "dataset"))


def test_pairs_are_chosen_aligned_and_accounted_for(built: Path) -> None:
    dataset = load_dataset(built)
    manifest = dataset.manifest
    assert (manifest.task, manifest.kept, manifest.encoding) == ("chroma", "luma", "display")
    assert [pair.frame for pair in dataset.pairs if not pair.held_out] == [1001, 1003, 1005, 1006, 1008, 1010]
    assert [pair.frame for pair in dataset.held_out] == [record.frame for record in manifest.pairs if record.held_out]
    assert manifest.pairs[0].reason == "first of the spread"
    assert all(record.reason.startswith("held out: between") for record in manifest.pairs if record.held_out)
    for record in manifest.pairs:
        assert record.residual_px is not None
        assert record.residual_px < 0.3
        assert np.allclose(np.array(record.matrix)[:, 2], SHIFT, atol=0.3)


def test_a_target_of_infinite_values_is_refused(job: JobMaker, tmp_path: Path) -> None:
    reference = open_sequence(job().reference).read
    for number in (1001, 1004, 1008):
        frame = reference(number)
        frame.rgb[70:74, 100:104, 0] = -8.0
        write_frame(tmp_path / f"below.{number}.exr", frame, pixel_type="float")
    below = job(reference=str(tmp_path / "below.####.exr"), encoding="log", align="none", balance="none")
    with pytest.raises(VerificationError, match="target of frame 1001 has infinite values"), np.errstate(over="ignore"):
        build_dataset(below, tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_what_is_built_is_what_is_loaded(job: JobMaker, elements_on_disk: Path, tmp_path: Path) -> None:
    made = build_dataset(job(task="spatial"), tmp_path / "dataset")
    again = load_dataset(tmp_path / "dataset")
    assert again.manifest == made.manifest
    for one, two in zip(made.pairs, again.pairs, strict=True):
        assert (one.frame, one.held_out) == (two.frame, two.held_out)
        for part in ("source", "reference", "target"):
            assert np.array_equal(getattr(one, part), getattr(two, part))
    assert made.manifest.balance is None
    x, y, width, height = made.manifest.crop
    scan = read_frame(elements_on_disk / "faded film" / "scan.1001.exr").rgb
    assert np.array_equal(made.pairs[0].source, scan[y : y + height, x : x + width])


def test_the_target_keeps_the_luma_of_the_balanced_source(built: Path) -> None:
    dataset = load_dataset(built)
    manifest = dataset.manifest
    assert manifest.balance is not None
    balance = DensityBalance.from_numbers(manifest.balance)
    for pair in dataset.pairs:
        kept = luma(encode(apply_balance(pair.source, balance, manifest.encoding), manifest.encoding), manifest.matrix)
        assert np.abs(luma(encode(pair.target, manifest.encoding), manifest.matrix) - kept).max() < 5e-6
        assert np.abs(encode(pair.target, "display") - encode(pair.reference, "display")).mean() < 0.03


def test_the_balance_is_fitted_without_the_held_out_pairs(job: JobMaker, tmp_path: Path) -> None:
    crop = [8, 8, 192, 128]
    one = build_dataset(job(held_out=[1004], crop=crop), tmp_path / "a")
    two = build_dataset(job(held_out=[1006], crop=crop), tmp_path / "b")
    assert one.manifest.crop == two.manifest.crop == crop
    assert np.allclose(one.manifest.balance, two.manifest.balance, atol=1e-9)


def test_a_balance_given_by_hand_is_taken(job: JobMaker, tmp_path: Path) -> None:
    numbers = DensityBalance(np.eye(3) * 1.1, np.array([0.01, -0.02, 0.0])).numbers
    dataset = build_dataset(job(balance=numbers), tmp_path / "dataset")
    assert dataset.manifest.balance == pytest.approx(numbers)


def test_as_is_targets_are_the_references(job: JobMaker, tmp_path: Path) -> None:
    dataset = build_dataset(job(task="as-is", reasons={"1008": "skin and sky"}), tmp_path / "dataset")
    assert all(np.array_equal(pair.target, pair.reference) for pair in dataset.pairs)
    assert [record.reason for record in dataset.manifest.pairs] == ["given by hand", "given by hand", "skin and sky"]


def test_the_crop_is_even_shared_and_inside_both(built: Path) -> None:
    x, y, width, height = load_dataset(built).manifest.crop
    assert x % 2 == y % 2 == width % 2 == height % 2 == 0
    assert width >= 190
    assert height >= 126


def aligned(path: Path, matrix: list[list[float]], mirrored: bool = False, masks: Sequence[list[int]] = ()) -> str:
    """Write an ``align.json`` by which all pairs of the job lie alike."""
    entries = [FrameAlignment(frame, frame, matrix, None, 0.1, 0.2, 0.9, "aligned") for frame in (1001, 1004, 1008)]
    AlignmentRecord("a", "b", SIZE, SIZE, mirrored, [0, 0, *SIZE], list(masks), entries).save(path)
    return str(path)


def test_a_mirrored_reference_lies_as_recorded(job: JobMaker, elements_on_disk: Path, tmp_path: Path) -> None:
    for frame in (1001, 1004, 1008):
        picture = read_frame(elements_on_disk / "Kopie für Prüfung" / f"print.{frame}.exr")
        write_frame(tmp_path / f"turned.{frame}.exr", Frame.from_rgb(picture.rgb[:, ::-1]), "float")
    width, height = SIZE
    mirror = [[-1.0, 0.0, width - 1 - SHIFT[0]], [0.0, 1.0, -SHIFT[1]], [0.0, 0.0, 1.0]]
    turned, straight = aligned(tmp_path / "turned.json", mirror, True), aligned(tmp_path / "straight.json", STRAIGHT)
    made = build_dataset(job(reference=str(tmp_path / "turned.####.exr"), alignment=turned), tmp_path / "turned")
    assert made.manifest.crop[2] >= width - 18 and made.manifest.crop[3] >= height - 18
    wanted = build_dataset(job(alignment=straight, crop=made.manifest.crop), tmp_path / "straight")
    for one, other in zip(made.pairs, wanted.pairs, strict=True):
        assert np.abs(one.reference - other.reference).max() < 0.02


def test_an_alignment_of_the_other_direction_is_refused(job: JobMaker, tmp_path: Path) -> None:
    straight = job()
    entries = [FrameAlignment(frame, frame, STRAIGHT, None, 0.1, 0.2, 0.9, "aligned") for frame in (1001, 1004, 1008)]
    turned = AlignmentRecord(straight.reference, straight.source, SIZE, SIZE, False, [0, 0, *SIZE], [], entries)
    turned.save(tmp_path / "turned.json")
    with pytest.raises(InputError, match=r"turned\.json lays .* the other way round; run film-recovery align with"):
        build_dataset(job(alignment=str(tmp_path / "turned.json")), tmp_path / "dataset")


def test_what_the_alignment_masks_is_not_believed_where_it_lies_in_the_crop(job: JobMaker, tmp_path: Path) -> None:
    record = aligned(tmp_path / "align.json", STRAIGHT, masks=[[70, 50, 30, 20]])
    made = build_dataset(job(alignment=record, crop=[8, 6, 192, 128]), tmp_path / "dataset")
    for pair in (*made.pairs, *load_dataset(tmp_path / "dataset").pairs):
        assert pair.trust is not None
        around = np.ones((22, 32), bool)  # the mask in the crop, and one pixel beside it
        around[1:-1, 1:-1] = False
        assert np.array_equal(pair.trust[43:65, 61:93] > 0.0, around)


@pytest.mark.parametrize("masks", [[[-5, -5, 9999, 9999]], [[0, 0, 104, 144], [104, 0, 70, 144], [170, 20, 38, 124]]])
def test_masks_that_leave_nothing_of_the_crop_are_refused(job: JobMaker, tmp_path: Path, masks: list[list[int]]) -> None:
    record = aligned(tmp_path / "align.json", STRAIGHT, masks=masks)
    with pytest.raises(VerificationError, match="masks of the alignment leave nothing of the crop 192x128 at 8,6"):
        build_dataset(job(alignment=record, crop=[8, 6, 192, 128]), tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()
    build_dataset(job(alignment=record, crop=[8, 6, 192, 128], task="as-is"), tmp_path / "dataset")


def test_a_vanished_file_is_named(copied: Path) -> None:
    (copied / "target" / "target.1003.exr").unlink()
    with pytest.raises(InputError, match=r"target\.1003\.exr of the dataset is gone"):
        load_dataset(copied)


def test_a_changed_file_is_named(copied: Path) -> None:
    path = copied / "source" / "source.1005.exr"
    frame = read_frame(path)
    frame.rgb[0, 0] += 0.1
    write_frame(path, frame, pixel_type="float")
    with pytest.raises(InputError, match=r"source\.1005\.exr was changed"):
        load_dataset(copied)
    assert len(load_dataset(copied, verify_hashes=False).pairs) == 8


def test_without_a_manifest_there_is_no_dataset(copied: Path) -> None:
    (copied / "manifest.json").unlink()
    with pytest.raises(InputError, match="holds no finished dataset"):
        load_dataset(copied)


def test_a_damaged_manifest_is_refused(copied: Path) -> None:
    record = json.loads((copied / "manifest.json").read_text(encoding="utf-8"))
    del record["pairs"][0]["matrix"]
    (copied / "manifest.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        load_dataset(copied)


def test_a_dataset_is_never_overwritten(built: Path, job: JobMaker) -> None:
    before = (built / "manifest.json").read_bytes()
    with pytest.raises(InputError, match="already holds a dataset"):
        build_dataset(job(), built)
    assert (built / "manifest.json").read_bytes() == before


def test_what_an_interrupted_build_left_is_cleared(job: JobMaker, tmp_path: Path) -> None:
    left = tmp_path / "dataset" / "source" / "source.0777.exr"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half of a frame")
    build_dataset(job(), tmp_path / "dataset")
    assert sorted(path.name for path in left.parent.iterdir()) == ["source.1001.exr", "source.1004.exr", "source.1008.exr"]


def test_a_training_of_which_everything_is_held_out_is_refused(job: JobMaker, tmp_path: Path) -> None:
    everything = open_sequence(job().source).frames
    with pytest.raises(VerificationError, match="No frame is left to train on"):
        build_dataset(job(frames=[], held_out=everything), tmp_path / "dataset")


def test_a_refusal_writes_nothing(job: JobMaker, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="no frame 2000"):
        build_dataset(job(frames=[1001, 2000]), tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


class Impatient(SilentReporter):
    """Asks to stop once ``patience`` questions are used up."""

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def should_stop(self) -> bool:
        self.patience -= 1
        return self.patience < 0


@pytest.mark.parametrize("patience", [0, 4, 7])
def test_a_stop_leaves_no_dataset(patience: int, job: JobMaker, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        build_dataset(job(), tmp_path / "dataset", Impatient(patience))
    assert not (tmp_path / "dataset" / "manifest.json").exists()
