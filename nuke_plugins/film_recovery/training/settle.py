"""How much of a trained correction of colour is handed out: what is worth a twentieth of a decibel on the held-out pairs.

The held-out figure tells how near a recovery comes to references, which are no truth: they are soft, grainy and a little
faded themselves, alike in all pairs, and a network learns that as readily as colour. The last bit of the way to them is as
often away from the truth (``bench/references.md`` has cases in which all of it is). Half of a correction brings three quarters
of what it is good for and does a quarter of its harm, for errors are squared: so the smallest share is taken that does about
as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from film_recovery.training.data import PreparedPair
from film_recovery.training.evaluate import held_out_figure
from film_recovery.training.graph import RecoveryGraph

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
UNJUDGED = 0.25  # where no pair is held out: nothing tells whether a correction helps other frames
GIVEN_UP = 0.05  # dB of the held-out figure, at most


def share_to_hand_out(graph_with: Callable[[float], RecoveryGraph], pairs: Sequence[PreparedPair]) -> float:
    """The smallest of :data:`SHARES` whose figure on the held-out ``pairs`` is the best but for :data:`GIVEN_UP`;
    :data:`UNJUDGED` without any.

    ``graph_with`` makes the recovery with a share of its correction, 0..1; with 0 it is the start.
    """
    if not pairs:
        return UNJUDGED
    figures = {share: held_out_figure(graph_with(share), pairs) for share in SHARES}
    return next(share for share in SHARES if figures[share] >= max(figures.values()) - GIVEN_UP)
