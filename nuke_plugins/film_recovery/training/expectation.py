"""What a colour table is to expect of colours that the pairs lack: half of what the physics of fading would do to them.

A table alone expects there what it was told last, or nothing: either is a guess from its neighbours. Twelve numbers of density
(:mod:`film_recovery.pairs.balance`) say something of every colour, because fading is a change of dyes; but the pairs may have
more between them than fading, so only half of it is believed, as in any estimate that shrinks towards a model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import decode, encode, from_linear, to_linear
from film_recovery.pairs.balance import fit_balance
from film_recovery.pairs.lut import node_colours

_BELIEVED = 0.5
FloatArray = npt.NDArray[np.float32]


def expected_change(
    pictures: Sequence[FloatArray],
    goals: Sequence[FloatArray],
    encoding: str,
    matrix: str,
    trust: Sequence[FloatArray | None] | None = None,
) -> FloatArray:
    """The expected change of YCbCr at the nodes of a table, (33, 33, 33, 3), from coded pictures and goals, (H, W, 3) each;
    ``trust`` is what of each to believe, (H, W), 0..1.

    What becomes of a colour is taken to lie between black and white, coded 0 and 1.
    """

    def linear(coded: FloatArray) -> FloatArray:
        return np.asarray(to_linear(decode(coded, encoding), encoding), np.float32)

    balance = fit_balance([linear(picture) for picture in pictures], [linear(goal) for goal in goals], trust)
    nodes = node_colours()
    faded = np.asarray(encode(from_linear(balance.apply(linear(nodes)), encoding), encoding), np.float32)
    within = np.clip(faded, 0.0, 1.0)  # far from all pairs densities run out into powers of ten
    return np.asarray(_BELIEVED * rgb_to_ycbcr(within - nodes, matrix), np.float32)
