"""Labelled comparisons of whole sequences: stills of a few frames, and a movie of all that they share."""

from __future__ import annotations

from collections.abc import Sequence as Several
from pathlib import Path

from film_recovery.contract.errors import InputError
from film_recovery.elements.selection import spread_frames
from film_recovery.images.drawing import display, save_png
from film_recovery.images.frame import FloatArray, Frame
from film_recovery.images.sequence import open_sequence
from film_recovery.review.stills import comparison
from film_recovery.review.video import write_comparison_movie

_STILLS = 3


def compare_sequences(
    labelled: Several[tuple[str, str]], frames: list[int] | None, out: Path, *, movie: bool = False
) -> list[Path]:
    """Write ``out/comparison.<frame>.png`` for a few common frames, and ``out/comparison.mp4`` if asked.

    Args:
        labelled: (label, files) of 2 to 6 sequences.
        frames: which frames; None takes three, spread, for the stills and all common ones for the movie.

    Raises:
        InputError: a frame is missing in one of them, or they share none.
    """
    sequences = [(label, open_sequence(files)) for label, files in labelled]
    common = sorted(set.intersection(*(set(sequence.frames) for _, sequence in sequences)))
    chosen = frames if frames is not None else common
    absent = sorted(set(chosen) - set(common))
    if absent or not chosen:
        found = f"Frame {absent[0]} is not" if absent else "No frame is"
        raise InputError(f"{found} in every sequence; choose frames that all of them have.")
    written = []
    for frame in chosen if frames is not None else spread_frames(common, _STILLS):
        pictures = [(label, sequence.read(frame)) for label, sequence in sequences]
        cells = [(label, _shown(picture)) for label, picture in pictures]
        path = out / f"comparison.{frame:04d}.png"
        save_png(path, comparison(cells, f"frame {frame}"))
        written.append(path)
    if movie:
        first = sequences[0][1]
        shown = ((frame, [_shown(sequence.read(frame)) for _, sequence in sequences]) for frame in chosen)
        labels = [label for label, _ in sequences]
        written.append(write_comparison_movie(out / "comparison.mp4", labels, shown, "none", fps=first.fps or 24.0))
    return written


def _shown(frame: Frame) -> FloatArray:
    """As a display shows it."""
    return display(frame.rgb, "none" if frame.is_coded else "display")
