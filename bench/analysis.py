"""How fast ``analyse --out`` is, how much memory it takes, and how true its figures are. Writes ``analysis.md``.

Speed: 1080p half-float EXR, one shot of 60 and one of 240 frames, in a process of its own. Truth: simulated elements, 960x540.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import skimage.data

from film_elements.clip import moving_still
from film_elements.elements import ElementSimulator
from film_elements.parameters import Dust, Element, Fading, Flicker, Steadiness, internegative_35mm, print_16mm
from film_recovery.elements.dyes import dyes_kept
from film_recovery.elements.faults import unsteadiness
from film_recovery.elements.reel import ShotAnalysis, analyse_reel
from film_recovery.images.encodings import decode
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame
from film_recovery.images.sequence import open_sequence

TABLE = Path(__file__).with_name("analysis.md")
LENGTHS = (60, 240)
SIZE = (960, 540)
FRAMES = 48
_MEASURED = """
import sys
from pathlib import Path
from film_recovery.cli.main import main
code = main(["analyse", sys.argv[1], "--out", sys.argv[2], "--json"])
# Linux: the peak of this program alone; getrusage would also count the process that started it.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024, file=sys.stderr)
sys.exit(code)
"""


def still() -> npt.NDArray[np.float32]:
    """A photograph, linear light."""
    return np.asarray(decode(skimage.data.coffee().astype(np.float32) / 255.0, "display"), np.float32)


def speed(folder: Path) -> list[str]:
    """Rows of the first table. Thirty pictures are written; the longer sequences are links to them, there and back."""
    simulator, unique = ElementSimulator(internegative_35mm(), (1920, 1080), seed=1), 30
    for index, picture in enumerate(moving_still(still(), (1920, 1080), unique, zoom=0.9, cut=False)):
        write_frame(folder / f"unique.{index}.exr", Frame.from_rgb(simulator.simulate(picture, index).scan), "half")
    rows = []
    for count in LENGTHS:
        place = folder / str(count)
        place.mkdir()
        for index in range(count):
            turn = index % (2 * unique - 2)
            os.link(folder / f"unique.{min(turn, 2 * unique - 2 - turn)}.exr", place / f"scan.{1001 + index}.exr")
        begin = time.perf_counter()
        words = [sys.executable, "-c", _MEASURED, str(place / "scan.####.exr"), str(place / "out")]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        begin = time.perf_counter()
        subprocess.run(words, check=True, capture_output=True)
        again = time.perf_counter() - begin
        memory = done.stderr.strip().splitlines()[-1]
        rows.append(f"| {count} | {seconds:.1f} | {count / seconds:.1f} | {memory} | {again:.1f} |")
    return rows


def measured(folder: Path, name: str, element: Element) -> tuple[ShotAnalysis, ElementSimulator]:
    """One simulated shot of :data:`FRAMES` frames, analysed."""
    simulator = ElementSimulator(element, SIZE, seed=6)
    for index, picture in enumerate(moving_still(still(), SIZE, FRAMES, zoom=0.9, cut=False)):
        write_frame(
            folder / f"{name}.{1001 + index}.exr", Frame.from_rgb(simulator.simulate(picture, 1001 + index).scan), "half"
        )
    return analyse_reel(open_sequence(folder / f"{name}.####.exr"), folder / f"cache_{name}").shots[0], simulator


def truth(folder: Path) -> list[str]:
    """Rows of the second table: what, true, measured."""
    base = dataclasses.replace(internegative_35mm(), steadiness=Steadiness(), flicker=Flicker(), dust=Dust())
    whole, _ = measured(folder, "whole", dataclasses.replace(base, fading=Fading()))
    rows = []
    for number, jump in enumerate(((0.3, 0.3), (0.7, 1.0), (2.0, 1.5))):
        element = dataclasses.replace(base, steadiness=Steadiness(jump_px=jump, weave_px=(1.0, 1.0)))
        shot, simulator = measured(folder, f"jump{number}", element)
        path = np.array([simulator.geometry(frame).matrix[:2, 2] for frame in shot.movement.frames])
        true = unsteadiness([(float(x), float(y)) for x, y in np.diff(path, axis=0)])
        found = shot.movement.unsteadiness
        rows.append(f"| jump x, y, px (of these pictures; {jump} drawn) | {figures(true, 2)} | {figures(found, 2)} |")
    for number, (count, radius) in enumerate(((4.0, (1.5, 3.0)), (20.0, (1.5, 3.0)), (20.0, (0.5, 1.8)))):
        element = dataclasses.replace(base, dust=Dust(specks_per_frame=count, speck_radius_px=radius))
        shot, _ = measured(folder, f"dust{number}", element)
        rows.append(
            f"| dark specks a frame, radius {radius[0]} to {radius[1]} px | {count:.0f} | {shot.movement.dark_specks:.1f} |"
        )
    rows.append(f"| dark specks a frame, no dust | 0 | {whole.movement.dark_specks:.1f} |")
    for number, amount in enumerate((0.005, 0.02, 0.05)):
        flicker = Flicker((amount, amount / 2.0, amount / 4.0), lowest_hz=2.0, highest_hz=8.0)
        shot, _ = measured(folder, f"flicker{number}", dataclasses.replace(base, flicker=flicker))
        rows.append(f"| flicker R, G, B, D | {figures(flicker.amplitude)} | {figures(shot.figures['flicker'])} |")
    rows.append(f"| flicker R, G, B, D, none | 0 0 0 | {figures(whole.figures['flicker'])} |")
    reference, _ = measured(folder, "print", print_16mm())
    for number, kept in enumerate(((0.8, 0.97, 0.9), (0.35, 0.9, 0.6), (0.1, 0.8, 0.4))):
        shot, _ = measured(folder, f"fade{number}", dataclasses.replace(base, fading=Fading(kept=kept)))
        for name, other in (("the same unfaded", whole), ("the 16 mm print", reference)):
            found = dyes_kept(np.asarray(shot.dyes), np.asarray(other.dyes))
            what = f"dyes kept C, M, Y of the best, against {name}"
            rows.append(f"| {what} | {figures(np.array(kept) / max(kept), 2)} | {figures(found, 2)} |")
        alone = dyes_kept(np.asarray(shot.dyes))
        rows.append(f"| the same, the element alone | {figures(np.array(kept) / max(kept), 2)} | {figures(alone, 2)} |")
    for number, scale in enumerate((1.0, 0.5, 0.25)):
        stages = tuple(stage * scale for stage in print_16mm().stages_lp_mm)
        shot, simulator = measured(folder, f"sharp{number}", dataclasses.replace(print_16mm(), stages_lp_mm=stages))
        what = "sharp to, cycles/px (under true: where the lenses pass half of the contrast, another quantity)"
        rows.append(f"| {what} | {simulator.half_cycles_px:.3f} | {shot.figures['resolution']:.3f} |")
    return rows


def figures(values: object, digits: int = 3) -> str:
    """Figures in a row, or a dash where there are none."""
    return "–" if values is None else " ".join(f"{value:.{digits}f}" for value in np.asarray(values))


def main() -> int:
    """Measure and write the tables."""
    with tempfile.TemporaryDirectory() as name:
        fast = speed(Path(name))
    with tempfile.TemporaryDirectory() as name:
        true = truth(Path(name))
    when = datetime.date.today().isoformat()
    machine = f"{os.cpu_count()} processors, Python {platform.python_version()}"
    head = f"# Analysis\n\n{when}, {machine}. Written by `bench/analysis.py`.\n"
    lines = [
        head,
        "`analyse FILES --out DIR`, one shot, 1080p half-float EXR in the system's file cache (30 pictures, there and back);",
        "start-up included.\n",
        "| frames | seconds | frames a second | memory MB | seconds, again |", "|---|---|---|---|---|", *fast,
        f"\nAgainst the truth of simulated elements: {SIZE[0]}x{SIZE[1]}, {FRAMES} frames of a pan.",
        "True jump is that of the simulator's positions by the same formula.\n",
        "| what | true | measured |", "|---|---|---|", *true,
    ]  # fmt: skip
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
