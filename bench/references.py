"""How true are the references themselves? ``.venv/bin/python bench/references.py`` writes ``references.md``.

A training learns what its references show, and no more. The print that a simulated case of ``learning.py`` learns from has
faded a little itself and is softer than the source. Here its colour, without its grain and flicker, is laid on the luma that a
recovery keeps, frame by frame, and judged as recoveries are: what is nearer to the truth owes it to what it does not learn.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import platform
from pathlib import Path

import numpy as np
from learning_cases import ELEMENTS, INNER, SIZE, USUAL, Recipe, footage, laid, simulated
from learning_figures import colour_psnr
from learning_methods import closed_form, kept_luma

from film_elements.elements import ElementSimulator
from film_elements.parameters import Flicker, Grain
from film_recovery.images.colour import swap_luma
from film_recovery.images.encodings import decode, encode
from film_recovery.review.metrics import delta_e

PAGE = Path(__file__).with_name("references.md")
_NO_GRAIN, _NO_FLICKER = Grain(0.0, 6.0, 0.0), Flicker()


def measure(recipe: Recipe) -> tuple[float, float, float]:
    """PSNR of colour in dB and CIEDE2000 of the reference itself, means over the frames judged, and PSNR of the better LUT."""
    case, pictures, pair = simulated(recipe), footage(recipe.footage), ELEMENTS[recipe.elements]
    assert case.shot is not None
    faded = ElementSimulator(pair.sharp, SIZE, recipe.seed)
    colourful = dataclasses.replace(pair.colourful, grain=_NO_GRAIN, flicker=_NO_FLICKER)
    clean = ElementSimulator(colourful, SIZE, recipe.seed)
    encoding, matrix = case.dataset.manifest.encoding, case.dataset.manifest.matrix
    luts = [closed_form(case.dataset)[name] for name in ("lut", "lut_kept_luma")]
    found: list[list[float]] = []
    for index, source, truth in zip(case.shot.judged, case.sources, case.truths, strict=True):
        reference = laid(faded.simulate(pictures[index], index), clean.simulate(pictures[index], index))[INNER]
        luma = kept_luma(case.dataset, source)

        def on_luma(picture: np.ndarray) -> np.ndarray:
            coded = np.asarray(encode(picture, encoding), np.float32)
            return np.asarray(decode(swap_luma(coded, luma, matrix), encoding), np.float32)  # noqa: B023  # called at once

        own, *fitted = (on_luma(one) for one in (reference, *(lut.apply(source) for lut in luts)))
        error = delta_e(own[1::2, 1::2], truth[1::2, 1::2], encoding)[0]
        found.append([colour_psnr(own, truth, encoding, matrix), error,
                      *(colour_psnr(one, truth, encoding, matrix) for one in fitted)])  # fmt: skip
    psnr, difference, *both = (float(value) for value in np.mean(found, axis=0))
    return psnr, difference, max(both)


def main() -> None:
    """Measure all cases and write the page."""
    lines = [
        "# References", "",
        f"{datetime.date.today().isoformat()}, {os.cpu_count()} processors, Python {platform.python_version()}. "
        "Written by `bench/references.py`.", "",
        "What the references of [learning.md](learning.md) can teach: their own colour, without grain and flicker, on the kept",
        "luma, against the truth on the frames judged there. Softness of colour and the print's own fading are in it. Where a",
        "LUT is nearer to the truth than the reference is, nearer to the reference is not nearer to the truth.",
        "",
        "| case | the reference itself, dB | ΔE2000 | LUT, dB |", "|---|---|---|---|",
    ]  # fmt: skip
    for recipe in USUAL:
        psnr, difference, lut = measure(recipe)
        lines.append(f"| {recipe.name} | {psnr:.2f} | {difference:.2f} | {lut:.2f} |")
        print(lines[-1], flush=True)
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
