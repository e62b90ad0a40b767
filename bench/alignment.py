"""How truly ``align`` lays a reference onto its source, what it refuses, how fast it is. Writes ``alignment.md``.

Truth is that of simulated elements: the distance between where ``align.json`` puts a source pixel in the reference and where it
is, over the picture. Everything goes through files and :func:`film_recovery.pairs.align_elements.align_elements`.

The three parts (accuracy, refusals, speed) take over an hour together; each is kept as soon as it is done, and not measured
again before ``--again PART`` asks for it.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

from film_elements.clip import find_clip, load_clip, moving_still
from film_elements.elements import ElementSimulator, Geometry
from film_elements.parameters import default_pair
from film_recovery.contract.atomic import write_json
from film_recovery.contract.curation import AlignmentRecord
from film_recovery.images.encodings import decode, encode
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.pairs.align_elements import AlignRequest, align_elements
from film_recovery.pairs.deformation import NO_WARP, reference_points

TABLE = Path(__file__).with_name("alignment.md")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "film_recovery_bench"
SIZE, COUNT, FIRST = (960, 540), 12, 1001
SPREAD = 24  # clip frames between frames of the spread runs
LENGTHS = (16, 64)
FloatArray = npt.NDArray[np.float32]
Pictures = list[FloatArray]
_MEASURED = """
import sys
from pathlib import Path
from film_recovery.cli.main import main
code = main(["align", "--source", sys.argv[1], "--reference", sys.argv[2], "--out", sys.argv[3], "--json"])
# Linux: the peak of this program alone; getrusage would also count the process that started it.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024, file=sys.stderr)
sys.exit(code)
"""


def clips(step: int, count: int, size: tuple[int, int] = SIZE) -> dict[str, Pictures]:
    """Linear pictures: an animation, a street, a pan over a photograph."""
    still = np.asarray(decode(skimage.data.coffee().astype(np.float32) / 255.0, "display"), np.float32)
    found = {name: load_clip(find_clip(CACHE, f"{name}.mp4"), size, count, step) for name in ("bigbuckbunny", "bikes")}
    return {**found, "pan": list(moving_still(still, size, count, zoom=0.8, cut=False))}


def simulators(seed: int, warp_px: float, size: tuple[int, int] = SIZE) -> tuple[ElementSimulator, ElementSimulator]:
    """A faded internegative and a weaving print with 0.8 % shrinkage, 0.05 degrees and a warp."""
    pair = default_pair()
    steady = dataclasses.replace(pair.colourful.steadiness, shrinkage=0.008, rotation_degrees=0.05, warp_px=warp_px)
    other = dataclasses.replace(pair.colourful, steadiness=steady)
    return ElementSimulator(pair.sharp, size, seed), ElementSimulator(other, size, seed)


def write(folder: Path, name: str, scans: Pictures) -> None:
    """Half-float EXR from :data:`FIRST` on."""
    for index, scan in enumerate(scans):
        write_frame(folder / f"{name}.{FIRST + index}.exr", Frame.from_rgb(scan), "half")


def as_video(scans: Pictures, path: Path, size: tuple[int, int]) -> None:
    """Display-coded, 8 bits, 4:2:0, H.264 at another size."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], "yuv420p"
        stream.options = {"crf": "16", "colorprim": "bt709", "colormatrix": "bt709", "transfer": "bt709"}
        for scan in scans:
            shown = np.clip(np.asarray(encode(scan, "display")), 0.0, 1.0)
            small = cv2.resize(shown.astype(np.float32), size, interpolation=cv2.INTER_AREA)
            frame = av.VideoFrame.from_ndarray(np.rint(small * 255.0).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def true_points(points: npt.NDArray[np.float64], ours: Geometry, theirs: Geometry) -> npt.NDArray[np.float64]:
    """Reference positions, in the size of the simulation, of source points (N, 2) whole pixels."""
    shown = ours.truth_positions(SIZE[1], SIZE[0])
    target = shown[points[:, 1].astype(int), points[:, 0].astype(int)].astype(np.float64)
    there = theirs.truth_positions(SIZE[1], SIZE[0])
    square = np.vstack([theirs.matrix, [0.0, 0.0, 1.0]])
    found = target.copy()
    for _ in range(40):
        x, y = (found[:, axis].astype(np.float32)[None] for axis in (0, 1))
        seen = cv2.remap(there, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
        step = (target - seen) @ square[:2, :2].T
        found = found + step
        if np.abs(step).max() < 1e-3:
            break
    return found


def errors(
    record: AlignmentRecord, pair: tuple[ElementSimulator, ElementSimulator], numbers: list[int]
) -> npt.NDArray[np.float64]:
    """Distances in source pixels over the crop, all frames that were not rejected; ``numbers`` are the simulator's."""
    x, y, width, height = record.crop
    grid = np.meshgrid(np.arange(x, x + width, 16.0), np.arange(y, y + height, 16.0))
    points = np.stack([part.ravel() for part in grid], axis=-1)
    warps = {warp.name: np.array(warp.coefficients) for warp in record.warps}
    scale = np.array([record.reference_size[axis] / SIZE[axis] for axis in (0, 1)])
    found = []
    for frame in record.frames:
        if frame.verdict == "rejected":
            continue
        there = reference_points(points, frame.matrix, warps.get(frame.warp or "", NO_WARP), record.source_size)
        back = (there + 0.5) / scale - 0.5
        number = numbers[frame.source - FIRST]
        found.append(np.hypot(*(back - true_points(points, pair[0].geometry(number), pair[1].geometry(number))).T))
    return np.concatenate(found)


def run(folder: Path, reference: str, partners: dict[int, int]) -> AlignmentRecord:
    """Align ``neg.####.exr`` of a folder with a reference there."""
    elements = open_sequence(folder / "neg.####.exr"), open_sequence(folder / reference)
    return align_elements(*elements, AlignRequest(partners), folder / "out").record


class Counted:
    """How many good pairs got which verdict."""

    def __init__(self) -> None:
        self.verdicts: list[str] = []

    def add(self, record: AlignmentRecord) -> str:
        """Take a record; its share of aligned pairs in words."""
        found = [frame.verdict for frame in record.frames]
        self.verdicts += found
        return f"{found.count('aligned')}/{len(found)}"


def accuracy(good: Counted) -> list[str]:
    """Rows: clip, frames, warp, reference, median, 95 %, what align itself says is left, aligned."""
    rows = []
    kinds: list[tuple[str, Callable[[Pictures, Path], str]]] = [
        ("as it is", _plain), ("720x576, 8 bits, 4:2:0, H.264", _small), ("960x540, 8 bits, 4:2:0, H.264", _video)
    ]  # fmt: skip
    for layout, step, count in (("12 in a row", 1, COUNT), ("5 spread", SPREAD, 5)):
        for clip, pictures in clips(step, count).items():
            for kind, make in kinds:
                for warp_px in (0.15, 1.0, 2.0) if make is _plain else (1.0,):
                    found, left, said = [], [], Counted()
                    for seed in (1, 2) if make is _plain else (1,):
                        pair, numbers = simulators(seed, warp_px), [index * step for index in range(count)]
                        with tempfile.TemporaryDirectory() as name:
                            folder = Path(name)
                            scans = [[one.simulate(p, n).scan for p, n in zip(pictures, numbers, strict=True)] for one in pair]
                            write(folder, "neg", scans[0])
                            reference = make(scans[1], folder)
                            first = FIRST if reference.endswith("exr") else 1
                            record = run(folder, reference, {FIRST + k: first + k for k in range(count)})
                        good.add(record)
                        said.add(record)
                        found.append(errors(record, pair, numbers))
                        left.append(np.median([frame.residual_px or 0.0 for frame in record.frames]))
                    middle, high = np.percentile(np.concatenate(found), [50, 95])
                    aligned = f"{said.verdicts.count('aligned')}/{len(said.verdicts)}"
                    row = f"| {clip} | {layout} | {warp_px} | {kind} | {middle:.2f} | {high:.2f} "
                    row += f"| {np.mean(left):.2f} | {aligned} |"
                    print(row, flush=True)
                    rows.append(row)
    return rows


def _plain(scans: Pictures, folder: Path) -> str:
    write(folder, "pos", scans)
    return "pos.####.exr"


def _small(scans: Pictures, folder: Path) -> str:
    as_video(scans, folder / "pos.mp4", (720, 576))
    return "pos.mp4"


def _video(scans: Pictures, folder: Path) -> str:
    as_video(scans, folder / "pos.mp4", SIZE)
    return "pos.mp4"


def refusals() -> list[str]:
    """Rows: what is paired wrongly, pairs, rejected, doubtful, aligned."""
    found = clips(1, COUNT)
    stills = {
        name: np.asarray(decode(cv2.resize(picture[..., :3].astype(np.float32) / 255.0, SIZE), "display"), np.float32)
        for name, picture in (("astronaut", skimage.data.astronaut()), ("chelsea", skimage.data.chelsea()),
                              ("rocket", skimage.data.rocket()), ("retina", skimage.data.retina()))
    }  # fmt: skip
    pictures = [*found["bigbuckbunny"], *found["bikes"], *found["pan"], *(still for still in stills.values() for _ in range(3))]
    kinds = [*np.repeat(["bigbuckbunny", "bikes", "pan"], COUNT), *np.repeat(list(stills), 3)]
    rows = []
    counts = {"unrelated pictures, every pair wrong": [0, 0, 0], "unrelated pictures, every other pair wrong": [0, 0, 0]}
    for seed in (1, 2):
        pair = simulators(seed, 1.0)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for one, part in zip(pair, ("neg", "pos"), strict=True):
                write(folder, part, [one.simulate(picture, index).scan for index, picture in enumerate(pictures)])
            chance = np.random.default_rng(seed)
            for words, every in zip(counts, (1, 2), strict=True):
                partners, wrong = {}, set()
                for index, kind in enumerate(kinds):
                    others = [k for k, other in enumerate(kinds) if other != kind]
                    is_wrong = index % every == 0
                    partners[FIRST + index] = FIRST + (int(chance.choice(others)) if is_wrong else index)
                    wrong |= {FIRST + index} if is_wrong else set()
                record = run(folder, "pos.####.exr", partners)
                _count(counts[words], [frame.verdict for frame in record.frames if frame.source in wrong])
    for words, (rejected, doubtful, aligned) in counts.items():
        rows.append(f"| {words} | {rejected + doubtful + aligned} | {rejected} | {doubtful} | {aligned} |")
    return rows


def neighbours() -> list[str]:
    """Rows as those of :func:`refusals`, for references one or two frames off, by how much of the picture moved."""
    counts: dict[str, list[int]] = {}
    for clip, pictures in clips(1, 2 * COUNT).items():
        if clip == "pan":
            continue  # a steady pan one frame off is a slightly other framing: nothing in a pair tells
        pair = simulators(1, 1.0)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for one, part in zip(pair, ("neg", "pos"), strict=True):
                write(folder, part, [one.simulate(picture, index).scan for index, picture in enumerate(pictures)])
            for off in (1, 2):
                numbers = range(len(pictures) - off)
                record = run(folder, "pos.####.exr", {FIRST + k: FIRST + k + off for k in numbers})
                for frame in record.frames:
                    index = frame.source - FIRST
                    moved = moved_apart(pictures[index], pictures[index + off])
                    bucket = "more than 1 px" if moved > 1.0 else "0.3 to 1 px" if moved > 0.3 else "less than 0.3 px"
                    words = f"{off} off; a tenth of the picture moved by {bucket} against the rest"
                    _count(counts.setdefault(words, [0, 0, 0]), [frame.verdict])
    return [f"| {words} | {sum(found)} | {found[0]} | {found[1]} | {found[2]} |" for words, found in sorted(counts.items())]


def moved_apart(first: FloatArray, second: FloatArray) -> float:
    """Pixels by which a tenth of the picture or more moved, an affine motion of the whole taken away; dense optical flow."""
    grey = [
        cv2.cvtColor((np.clip(encode(p, "display"), 0, 1) * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY) for p in (first, second)
    ]
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(grey[0], grey[1], None)[::8, ::8].reshape(-1, 2)
    y, x = np.mgrid[0 : SIZE[1] : 8, 0 : SIZE[0] : 8]
    points = np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float64)
    matrix, _ = cv2.estimateAffine2D(points, points + flow, ransacReprojThreshold=0.5)
    left = points + flow - (points @ matrix[:, :2].T + matrix[:, 2])
    return float(np.percentile(np.hypot(*left.T), 90))


def _count(into: list[int], verdicts: list[str]) -> None:
    for index, name in enumerate(("rejected", "doubtful", "aligned")):
        into[index] += verdicts.count(name)


def speed(folder: Path) -> list[str]:
    """Rows: frames, seconds, frames a second, memory, seconds when run again. Sixteen pairs; more are links to them."""
    size, unique = (1920, 1080), 16
    pair = simulators(1, 1.0, size)
    for index, picture in enumerate(load_clip(find_clip(CACHE), size, unique, 1)):
        for one, part in zip(pair, ("neg", "pos"), strict=True):
            write_frame(folder / f"{part}.unique.{index}.exr", Frame.from_rgb(one.simulate(picture, index).scan), "half")
    rows = []
    for count in LENGTHS:
        place = folder / str(count)
        place.mkdir()
        for index in range(count):
            turn = index % (2 * unique - 2)
            for part in ("neg", "pos"):
                os.link(folder / f"{part}.unique.{min(turn, 2 * unique - 2 - turn)}.exr", place / f"{part}.{FIRST + index}.exr")
        words = [sys.executable, "-c", _MEASURED, str(place / "neg.####.exr"), str(place / "pos.####.exr"), str(place / "out")]
        begin = time.perf_counter()
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        begin = time.perf_counter()
        subprocess.run(words, check=True, capture_output=True)
        again = time.perf_counter() - begin
        memory = done.stderr.strip().splitlines()[-1]
        rows.append(f"| {count} | {seconds:.1f} | {count / seconds:.2f} | {memory} | {again:.1f} |")
    return rows


def main() -> int:
    """Measure what is not kept, and write the tables."""
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "accuracy": _accuracy,
        "refusals": lambda: {"rows": refusals() + neighbours()},
        "speed": _speed,
    }
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--again", nargs="*", choices=list(parts), default=[], help="parts to measure anew")
    again = parser.parse_args().again
    kept = {name: _kept(name, measure, name in again) for name, measure in parts.items()}
    verdicts = kept["accuracy"]["verdicts"]
    share = verdicts.count("rejected") / len(verdicts)
    machine = f"{os.cpu_count()} processors, Python {platform.python_version()}, OpenCV {cv2.__version__}"
    lines = [
        f"# Alignment\n\n{kept['speed']['date']}, {machine}. Written by `bench/alignment.py`.\n",
        f"Simulated elements, {SIZE[0]}x{SIZE[1]}: a faded internegative, and a 16 mm print with weave, 0.8 % shrinkage, up to",
        "0.05 degrees and a warp, px. Error: distance to the true place over the crop, source pixels. Left: what align itself",
        "measures, median.\n",
        "| clip | frames | warp | reference | error, median | 95 % | left | aligned |",
        "|---|---|---|---|---|---|---|---|", *kept["accuracy"]["rows"],
        f"\nOf these {len(verdicts)} good pairs {share:.1%} were rejected.\n",
        "| paired wrongly | pairs | rejected | doubtful | aligned |", "|---|---|---|---|---|", *kept["refusals"]["rows"],
        "\n`align`, 1080p half-float EXR in the system's file cache, pictures and start-up included:\n",
        "| frames | seconds | frames a second | memory MB | seconds, again |", "|---|---|---|---|---|", *kept["speed"]["rows"],
    ]  # fmt: skip
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 0


def _accuracy() -> dict[str, Any]:
    good = Counted()
    return {"rows": accuracy(good), "verdicts": good.verdicts}


def _speed() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        return {"rows": speed(Path(name)), "date": datetime.date.today().isoformat()}


def _kept(name: str, measure: Callable[[], dict[str, Any]], again: bool) -> dict[str, Any]:
    """The figures of a part, measured now or kept from an earlier run of the bench."""
    path = CACHE / "alignment" / f"{name}.json"
    if again or not path.is_file():
        write_json(path, measure())
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    sys.exit(main())
