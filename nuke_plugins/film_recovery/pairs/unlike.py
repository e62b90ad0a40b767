"""Which further pairs a trained model wants: frames whose colours it has not learned, the one that would teach it most first.

Every pixel of the film's thumbnails has a confidence by the model's own colours (:mod:`film_recovery.images.familiar`). A
frame is worth as much as it makes known: the share of the whole film's picture that is unlike the pairs now and like them with
that frame. One after the other is chosen, so that each brings what those before it do not.
"""

from __future__ import annotations

from collections.abc import Callable, Container

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from film_recovery.contract.card import ModelCard
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import decode
from film_recovery.images.familiar import LOW, FamiliarColours, confidence_at, in_units, seen_colours
from film_recovery.pairs.explain import name_colour
from film_recovery.pairs.material import Material
from film_recovery.pairs.outliers import Proposal

MOST = 8  # proposals
_STEP = np.array([0.08, 0.02, 0.02])  # coded Y, Cb, Cr: unknown colours are counted in such bins
_COMMONEST = 1500  # bins
_HOLDS = 0.002  # share of a frame from which on it teaches a colour
_WORTH = 0.05  # of a frame that a pair has to make known, in that frame itself or in all of them together
_INNER = (slice(2, -2), slice(2, -2))  # of a thumbnail, without the rim, where scan borders lie
FloatArray = npt.NDArray[np.float32]
Amounts = npt.NDArray[np.float32]


def find_unlike(
    material: Material, card: ModelCard, excluded: Container[int], problem: Callable[[int], str]
) -> list[Proposal]:
    """Pairs to add, the most rewarding first; none when the model knows the film's colours.

    A proposal's ``strength`` is the share of its frame that is unlike the pairs, in twentieths; its reason says what is unlike
    in words.

    Args:
        card: of the model; it must have colours.
        excluded: rows that are not to be proposed: those trained on, held out, or unwanted.
        problem: why a row cannot become a pair, empty when it can; it is asked of rows that would be proposed.
    """
    colours = FamiliarColours.from_text(card.colours)
    bins, shares = _unknown(material, card, colours)
    if not len(bins):
        return []
    near = _alike(bins)
    left = np.ones(len(bins), np.float32)
    open_rows = [row for row in material.candidates if row not in excluded]
    found: list[Proposal] = []
    taught = {row: near[shares[row] >= _HOLDS].any(axis=0) for row in open_rows}
    while open_rows and len(found) < MOST:
        mass = shares.sum(axis=0) * left
        best = max(open_rows, key=lambda row: (float(mass[taught[row]].sum()), -row))
        new = taught[best] & (left > 0)
        if float(mass[new].sum()) < _WORTH:
            break
        open_rows.remove(best)
        if problem(best):
            continue
        unlike = float(shares[best] @ left)
        own = shares[best] * new
        if not own.any():  # of what it would teach it only has the like
            own = shares[best] * near[:, new].any(axis=1)
        frame, colour = material.frames[best], bins[int(np.argmax(own))]
        reason = _reason(material, card, best, unlike, shares[:, new].sum(axis=1), colour)
        partner = material.partner(best).frame
        found.append(Proposal(frame, reason, frame, partner, round(unlike / _WORTH, 2), frame, frame))
        left[new] = 0.0
    return found


def _unknown(material: Material, card: ModelCard, colours: FamiliarColours) -> tuple[FloatArray, Amounts]:
    """Colours that the model does not know, (B, 3) means of bins, and the share (N, B) of each frame that has them."""
    rows, values = [], []
    for row in (row for row, frame in enumerate(material.frames) if frame not in material.survey_a.broken):
        cells = _cells(material, card, row)
        unknown = confidence_at(colours.distance(cells)) < LOW
        values.append(cells[unknown])
        rows.append(np.full(int(unknown.sum()), row))
        size = cells.shape[0] * cells.shape[1]
    if not rows or not sum(len(one) for one in rows):
        return np.zeros((0, 3), np.float32), np.zeros((len(material.frames), 0), np.float32)
    where, seen = np.concatenate(rows), np.concatenate(values).astype(np.float64)
    _, inverse, counts = np.unique(np.floor(seen / _STEP).astype(np.int64), axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    means = np.stack([np.bincount(inverse, seen[:, axis]) / counts for axis in range(3)], axis=1)
    kept = np.argsort(-counts, kind="stable")[:_COMMONEST]
    place = np.full(len(counts), -1)
    place[kept] = np.arange(len(kept))
    there = place[inverse] >= 0
    shares = np.zeros((len(material.frames), len(kept)), np.float32)
    np.add.at(shares, (where[there], place[inverse[there]]), 1.0 / size)
    return np.asarray(means[kept], np.float32), shares


def _cells(material: Material, card: ModelCard, row: int) -> FloatArray:
    """The colours of a source thumbnail as the model sees them, (h, w, 3)."""
    coded = np.asarray(material.survey_a.thumbnails[row], np.float32)[_INNER] / np.float32(255.0)
    working = coded if card.encoding == "none" else np.asarray(decode(coded, "display"), np.float32)
    return seen_colours(working, card.balance, card.encoding, card.matrix)


def _alike(bins: FloatArray) -> npt.NDArray[np.bool_]:
    """(B, B): whether one who has learned the first colour is sure enough of the second."""
    places = in_units(bins)
    return np.asarray(confidence_at(cdist(places, places)) >= LOW)


def _reason(material: Material, card: ModelCard, row: int, unlike: float, shares: Amounts, colour: FloatArray) -> str:
    """``shares`` (N,) are those of the colours that the frame would make known, ``colour`` the one it has most of."""
    others = int(np.count_nonzero(np.delete(shares, row) >= _WORTH))
    like = f", as is part of {others} other frame{'s' if others > 1 else ''}" if others else ""
    distance = np.linalg.norm(in_units(_cells(material, card, row)) - in_units(colour), axis=-1)
    partner = material.survey_b.thumbnails[material.partner(row).row]
    shown = rgb_to_ycbcr(np.asarray(partner, np.float32)[_INNER] / 255.0, "709")[confidence_at(distance) >= LOW]
    return f"{unlike:.0%} of it is unlike the pairs, mostly {name_colour(shown.mean(axis=0))}{like}"
