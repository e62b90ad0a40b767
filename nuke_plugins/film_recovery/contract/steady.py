"""How far steadying looks: whoever renders the frames of a chunk has to render as many more at its ends."""

from __future__ import annotations

WINDOW = 24  # frames on each side: flicker down to half a cycle per second is seen as such
BESIDE = 2  # frames on each side over which recovered colour is averaged along the motion
REACH = WINDOW + BESIDE  # frames on each side that can change a frame: those that steady the ones it is averaged with
