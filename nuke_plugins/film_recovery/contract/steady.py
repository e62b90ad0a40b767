"""How far steadying looks: whoever renders the frames of a chunk has to render as many more at its ends."""

from __future__ import annotations

WINDOW = 24  # frames on each side: flicker down to half a cycle per second is seen as such
BESIDE = 2  # frames on each side over which what was recovered is averaged along the motion
# Frames on each side that can change a frame, by what a model keeps. Where it keeps luma, those too that steady the frames
# which a frame's colour is averaged with.
REACH = {"luma": WINDOW + BESIDE, "chroma": BESIDE, "nothing": 0}
