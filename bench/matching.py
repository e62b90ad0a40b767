"""Are partners found? ``.venv/bin/python bench/matching.py`` writes ``matching.md`` beside this file.

Simulated elements of edited films with known truth: four shots, single frames lost on both sides, other framing, heavy fade.
A frame counts as moving when its picture differs from both neighbours by more than a shift of the whole frame: a pan slower
than the film's own weave cannot be told from it, by any means.
"""

from __future__ import annotations

import datetime
import itertools
import os
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

from film_elements.clip import find_clip, load_clip, moving_still
from film_elements.parameters import ElementPair, internegative_35mm, print_16mm
from film_elements.reel import Framing, Reel, two_reels
from film_recovery.elements import likeness
from film_recovery.elements.framing import plain_framing
from film_recovery.elements.matching import match_frames
from film_recovery.elements.survey import small_pictures, survey_element
from film_recovery.images.encodings import decode
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame
from film_recovery.images.sequence import open_sequence

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "film_recovery_bench"
SIZE = (640, 360)
MOVES = 0.005  # squared distance of unit pictures after the best shift of the whole frame
FRAMINGS = (
    Framing(),
    Framing(1.03, (0.015, -0.01)),
    Framing(0.97, (-0.015, 0.01)),
    Framing(1.0, (0.03, 0.0)),
    Framing(1.03, (-0.01, 0.02), mirrored=True),
)
HEAVY = ElementPair(internegative_35mm((0.1, 0.8, 0.4)), print_16mm())
FloatArray = npt.NDArray[np.float32]


def still(name: str, count: int, zoom: float, reverse: bool) -> list[FloatArray]:
    """A pan over a still picture."""
    picture = np.asarray(decode(getattr(skimage.data, name)()[..., :3] / 255.0, "display"), np.float32)
    frames = list(moving_still(picture, SIZE, count, zoom, cut=False))
    return frames[::-1] if reverse else frames


def films(cache: Path) -> dict[str, list[FloatArray]]:
    """Three films of four shots, three cuts each."""
    rabbit = load_clip(find_clip(cache), SIZE, 132, 1)
    street = load_clip(find_clip(cache, "bikes.mp4"), SIZE, 240, 1)
    return {
        "one": [*rabbit[:66], *street[:80], *still("rocket", 50, 0.7, False), *rabbit[66:]],
        "two": [*street[120:200], *still("coffee", 60, 0.6, True), *rabbit[30:100], *street[200:]],
        "three": [*still("chelsea", 50, 0.7, False), *street[40:110], *still("astronaut", 50, 0.6, True), *street[150:200]],
    }


def details(pictures: list[FloatArray]) -> npt.NDArray[np.int8]:
    """Detail planes of pictures in linear light."""
    return np.stack([small_pictures(Frame.from_rgb(picture))[1] for picture in pictures])


def moving(truth: list[FloatArray]) -> npt.NDArray[np.bool_]:
    """Which frames differ from both neighbours by more than a shift."""
    looks = [likeness.looks(details([picture]), plain_framing()) for picture in truth]
    step = np.array([float(likeness.unlikeness(one, two)[0, 0]) for one, two in itertools.pairwise(looks)])
    return np.asarray(np.minimum(np.append(np.inf, step), np.append(step, np.inf)) > MOVES)


def scans(reel: Reel, truth: list[FloatArray]) -> npt.NDArray[np.int8]:
    """Detail planes of a reel's scan."""
    return details([reel.scan(truth[shown], place).scan for place, shown in enumerate(reel.shown)])


def judge(truth: list[FloatArray], moves: npt.NDArray[np.bool_], framing: Framing, seed: int) -> dict[str, int]:
    """Counts of one case: moving frames with a partner, of these exact; false segments; certain frames, of these right."""
    a, b = two_reels(len(truth), SIZE, seed, lost=0.2, framing=framing, pair=HEAVY)
    found = match_frames(scans(a, truth), scans(b, truth))
    shown_a, shown_b = np.array(a.shown), np.array(b.shown)
    partner = {shown: place for place, shown in enumerate(b.shown)}
    got = dict(zip(found.rows.tolist(), found.columns.tolist(), strict=True))
    wanted = [row for row, shown in enumerate(a.shown) if shown in partner and moves[shown]]
    certain = found.plus_minus == 0
    right = shown_a[found.rows] == shown_b[found.columns]
    off = np.abs(shown_a[found.rows] - shown_b[found.columns])
    breaks = np.flatnonzero((np.diff(found.rows) != 1) | (np.diff(found.columns) != 1)) + 1
    false = sum(bool((off[run] > 3).all()) for run in np.split(np.arange(len(found.rows)), breaks) if len(run))
    return {
        "moving": len(wanted), "exact": sum(got.get(row) == partner[a.shown[row]] for row in wanted), "false": false,
        "certain": int(certain.sum()), "certain_right": int((certain & right).sum()), "matched": len(found.rows),
        "within": int((off <= found.plus_minus).sum()),
    }  # fmt: skip


def speed(folder: Path) -> list[str]:
    """Reading and matching 1080p files, at two lengths."""
    chance = np.random.default_rng(1)
    rows = []
    picture = cv2.resize(chance.random((34, 60, 3), np.float32), (2400, 1350), interpolation=cv2.INTER_CUBIC)
    for count in (60, 240):
        for place in range(count):
            x, y = 2 * place, place
            path = folder / f"film.{place:04d}.exr"
            if not path.exists():
                write_frame(path, Frame.from_rgb(picture[y : y + 1080, x : x + 1920]))
        sequence = open_sequence(folder / "film.####.exr")
        begin = time.perf_counter()
        survey = survey_element(sequence, folder / f"survey{count}")
        read = time.perf_counter() - begin
        begin = time.perf_counter()
        match_frames(survey.details, survey.details)
        matched = time.perf_counter() - begin
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
        rows.append(f"| {count} | {count / read:.1f} | {matched:.1f} | {memory:.0f} |")
    return rows


def main() -> int:
    """Run and write the table."""
    rows, total = [], dict.fromkeys(("moving", "exact", "false", "certain", "certain_right", "matched", "within"), 0)
    with tempfile.TemporaryDirectory() as name:
        fast = speed(Path(name))
    for film, truth in films(CACHE).items():
        moves = moving(truth)
        for seed, framing in enumerate(FRAMINGS, start=1):
            figures = judge(truth, moves, framing, seed)
            for key, value in figures.items():
                total[key] += value
            words = f"{framing.zoom:g}, {100 * framing.shift[0]:g} %, {100 * framing.shift[1]:g} %"
            rows.append(
                f"| {film} | {words}{', mirrored' if framing.mirrored else ''} | {figures['exact']}/{figures['moving']} "
                f"| {figures['false']} | {figures['certain_right']}/{figures['certain']} "
                f"| {figures['within']}/{figures['matched']} |"
            )
            print(rows[-1], flush=True)
    machine = f"{os.cpu_count()} processors, Python {platform.python_version()}"
    lines = [
        f"# Matching\n\n{datetime.date.today().isoformat()}, {machine}. Written by `bench/matching.py`.\n",
        f"Simulated elements, {SIZE[0]}x{SIZE[1]}: an internegative with a tenth of its cyan left, a 16 mm print; each lost",
        "20 % of its frames at random places; three cuts. Moving: the truth differs from both neighbours by more than a shift",
        "of the whole frame, which weave hides. False segment: all of its frames more than three off. Certain: called ±0.\n",
        "| film | framing | moving frames exact | false segments | certain and right | within ±n |",
        "|---|---|---|---|---|---|", *rows,
        f"\nTogether: {total['exact'] / max(total['moving'], 1):.2%} of {total['moving']} moving frames exact, "
        f"{total['false']} false segments, {total['certain_right'] / max(total['certain'], 1):.2%} of the certain ones right, "
        f"{total['within'] / max(total['matched'], 1):.2%} within the plus-minus that they were given.\n",
        "Speed, 1080p half-float EXR in the system's file cache; the second time nothing is read:\n",
        "| frames | read, frames a second | matching, s | memory MB |", "|---|---|---|---|", *fast,
    ]  # fmt: skip
    (HERE / "matching.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines[-8:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
