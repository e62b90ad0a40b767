"""How far each pixel of a frame can be trusted, as a layer beside the recovered colour; see :mod:`images.familiar`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from film_recovery.contract.card import ModelCard
from film_recovery.contract.errors import UsageError
from film_recovery.images.familiar import LOW, FamiliarColours
from film_recovery.images.frame import FloatArray, Frame
from film_recovery.inference.steady import Deviation

LAYER = "confidence.Y"
_WORTH_SAYING = 0.05  # of a frame that is unlike the pairs
_NAMED = 3  # frames
_APART = 24  # frames: nearer ones are taken for the same sight


class ConfidenceMaps:
    """The confidence maps of one model.

    Raises:
        UsageError: the model does not say which colours it was trained on, or ``output`` cannot hold another layer.
    """

    def __init__(self, card: ModelCard, output: Path) -> None:
        if output.suffix.lower() != ".exr":
            raise UsageError(f"{output} cannot hold a layer of confidence beside the colour; write .exr, or leave it out.")
        if not card.colours:
            raise UsageError(
                f"{card.name} was made before models told which colours they were trained on, so nothing can be said of its "
                "confidence; export it anew (film-recovery resume RUN), or leave confidence out."
            )
        self._card, self._colours = card, FamiliarColours.from_text(card.colours)

    def beside(self, frame: Frame, source: FloatArray, deviation: Deviation) -> tuple[Frame, float]:
        """The frame with a layer ``confidence.Y``, and the share of its pixels that are unlike the pairs (below 0.5).

        ``source`` (H, W, 3) is the frame before its recovery, in the model's working space, ``deviation`` the flicker in
        density that was taken from what the model saw. Where the frame brings the layer along from an earlier recovery, the
        lower of the two stays: a pixel is as sure as the least sure step that made it.
        """
        card = self._card
        balance = _steadied(card.balance, deviation) if any(deviation) else card.balance
        found = self._colours.confidence(source, balance, card.encoding, card.matrix)
        stored = found.astype(np.float16).astype(np.float32)  # so that files of half precision hold it as it is
        before = frame.extra.get(LAYER)
        layer = stored if before is None else np.minimum(stored, before)
        return replace(frame, extra={**frame.extra, LAYER: layer}), float(np.mean(found < LOW))


def _steadied(balance: Sequence[float] | None, deviation: Deviation) -> list[float]:
    """The balance of a frame whose density is too high by ``deviation``: that comes off before the matrix."""
    matrix, offset = (np.eye(3), np.zeros(3)) if balance is None else (np.reshape(balance[:9], (3, 3)), np.array(balance[9:]))
    return [*matrix.ravel().tolist(), *(offset - matrix @ np.asarray(deviation)).tolist()]


def least_like(shares: Mapping[int, float]) -> list[int]:
    """Up to three frames of which at least a twentieth is unlike the pairs, most first, none within a second of a worse one."""
    found: list[int] = []
    for frame in sorted(shares, key=lambda one: (-shares[one], one)):
        if len(found) == _NAMED or shares[frame] < _WORTH_SAYING:
            break
        if all(abs(frame - other) >= _APART for other in found):
            found.append(frame)
    return found
