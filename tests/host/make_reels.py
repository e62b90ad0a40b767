"""Write two small reels that were spliced and framed differently, with the worker's Python: ``make_reels.py FOLDER``.

The Pythons of the hosts have neither NumPy 2 nor OpenCV.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import skimage.data

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))

from film_elements.clip import moving_still  # noqa: E402 - lies beside the package
from film_elements.reel import Framing, two_reels  # noqa: E402
from film_recovery.images.frame import Frame  # noqa: E402
from film_recovery.images.io import write_frame  # noqa: E402

SIZE, SHOT = (320, 180), 13


def main(folder: Path) -> None:
    """``neg.1001.exr`` and on, ``pos.5001.exr`` and on, and ``shown.json``: the truth that each frame shows."""
    still = np.asarray(skimage.data.coffee(), np.float32) / np.float32(255.0)
    still = np.power(still, np.float32(2.2))
    first = list(moving_still(still, SIZE, SHOT, zoom=0.5, cut=False))
    second = list(moving_still(np.ascontiguousarray(still[::-1, ::-1]), SIZE, SHOT, zoom=0.45, cut=False))
    truth = [*first, *second[::-1]]
    reels = two_reels(
        len(truth), SIZE, 4, lost=0.0, framing=Framing(1.02, (0.01, -0.008)), trims=((0, 1), (2, 0)), lost_stretches=((6, 7),)
    )
    for name, reel, start in (("neg", reels[0], 1001), ("pos", reels[1], 5001)):
        for place, shown in enumerate(reel.shown):
            write_frame(folder / f"{name}.{start + place}.exr", Frame.from_rgb(reel.scan(truth[shown], place).scan))
    (folder / "shown.json").write_text(json.dumps([reel.shown for reel in reels]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
