"""A person's own pairs, kept by a selection: those marked ``by_hand`` in a ``pairs.json``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from film_recovery.contract.curation import ChosenPair, SelectionRecord, load_selection
from film_recovery.contract.errors import InputError

if TYPE_CHECKING:
    from film_recovery.pairs.material import Material
    from film_recovery.pairs.select import SelectionRequest

_BESIDE = 2  # frames around a person's held-out pair that are not trained on: they look the same


@dataclasses.dataclass(frozen=True)
class Picks:
    """``kept``: pairs to train on whose partner is the known one, so that the choice of the others builds on them. ``added``:
    held-out pairs, and pairs with another partner than the known one; the choice keeps away from them."""

    kept: Mapping[int, ChosenPair]
    added: Mapping[int, ChosenPair]
    partners: Mapping[int, int]

    def asked(self, request: SelectionRequest) -> SelectionRequest:
        """The request with these pairs in it. What it keeps and avoids by number has the last word."""
        over = request.keep | request.avoid
        held = {frame for frame, pair in self.added.items() if pair.held_out} - over
        beside = {frame + step for frame in held for step in range(-_BESIDE, _BESIDE + 1)}
        keep = request.keep | (set(self.kept) - request.avoid)
        fewer = None if request.held_out is None else max(request.held_out - len(held), 0)
        return dataclasses.replace(
            request,
            keep=frozenset(keep),
            avoid=frozenset(request.avoid | ((beside | (set(self.added) - over)) - keep)),
            held_out=fewer,
        )

    def put(self, record: SelectionRecord, request: SelectionRequest) -> None:
        """Put them into a record: with their own reasons, marked, in the order of the source frames. ``request`` is the one
        before :meth:`asked`."""
        pairs = []
        for pair in record.pairs:
            mine = self.kept.get(pair.source)
            pairs.append(pair if mine is None else dataclasses.replace(pair, reason=mine.reason or pair.reason, by_hand=True))
        for frame, mine in self.added.items():
            if frame in request.keep | request.avoid:
                continue
            scope = next((one.name for one in record.scopes if one.first <= frame <= one.last), record.scope)
            pairs.append(dataclasses.replace(mine, scope=scope, reason=mine.reason or "kept by hand"))
            known = self.partners.get(frame)
            if known != mine.reference:
                other = "no partner is known" if known is None else f"its known partner is {known}"
                record.advice.append(f"Frame {frame} is paired with {mine.reference} by hand; {other}.")
        record.pairs[:] = sorted(pairs, key=lambda pair: pair.source)


def load_picks(path: Path, material: Material) -> Picks:
    """A person's pairs of a ``pairs.json``.

    Raises:
        InputError: it cannot be read, or a pair's frame does not exist.
    """
    partners = {
        frame: partner.frame for frame, partner in zip(material.frames, material.partners, strict=True) if partner is not None
    }
    known = ((material.source, material.frames), (material.reference, material.survey_b.frames.tolist()))
    kept: dict[int, ChosenPair] = {}
    added: dict[int, ChosenPair] = {}
    for pair in load_selection(path).pairs:
        if not pair.by_hand:
            continue
        for frame, (element, frames) in zip((pair.source, pair.reference), known, strict=True):
            if frame not in set(frames):
                raise InputError(
                    f"The pair {pair.source}, {pair.reference} was picked by hand, but {element.name} has no frame {frame} "
                    f"(it has {frames[0]}-{frames[-1]}); correct the pair."
                )
        own = pair.held_out or partners.get(pair.source) != pair.reference
        (added if own else kept)[pair.source] = pair
    return Picks(kept, added, partners)
