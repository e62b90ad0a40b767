"""EXR files whose channels are not all sampled at every pixel, which OpenImageIO refuses: read through OpenEXR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import UnreadableImageError
from film_recovery.images.attributes import rational
from film_recovery.images.frame import Window

FloatArray = npt.NDArray[np.float32]
_PLAIN = (str, int, float)


def read_subsampled(path: Path) -> tuple[dict[str, FloatArray], Window, Window, dict[str, Any], str]:
    """Channels at full size by name, data and display window, header entries that can be carried, and the pixel type.

    Where a channel has no sample it is interpolated linearly; samples lie at the pixels whose coordinates are multiples of
    the sampling rate, as the OpenEXR file layout says.

    Raises:
        UnreadableImageError: the file is damaged.
    """
    import OpenEXR  # only these rare files need it

    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            header = dict(file.header())
            window, display = _window(header["dataWindow"]), _window(header["displayWindow"])
            planes = {
                name: _full_size(np.asarray(channel.pixels, np.float32), (channel.ySampling, channel.xSampling), window)
                for name, channel in file.channels().items()
            }
            kinds = {channel.pixels.dtype for channel in file.channels().values()}
    except (RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UnreadableImageError(f"{path} is damaged or not whole ({reason}); copy or render this frame again.") from error
    return planes, window, display, _metadata(header), "half" if kinds == {np.dtype(np.float16)} else "float"


def _full_size(plane: FloatArray, sampling: tuple[int, int], window: Window) -> FloatArray:
    for axis, (step, start, size) in enumerate(zip(sampling, (window.y, window.x), (window.height, window.width), strict=True)):
        if step == 1:
            continue
        first = -(-start // step)  # the first sample, in units of the step
        places = (np.arange(start, start + size) / step - first).clip(0, plane.shape[axis] - 1)
        lower = np.minimum(places.astype(int), max(plane.shape[axis] - 2, 0))
        upper = np.minimum(lower + 1, plane.shape[axis] - 1)
        share = (places - lower).reshape((-1, 1) if axis == 0 else (1, -1)).astype(np.float32)
        plane = plane.take(lower, axis) * (1 - share) + plane.take(upper, axis) * share
    return np.ascontiguousarray(plane, np.float32)


def _window(box: Any) -> Window:
    low, high = (tuple(int(value) for value in corner) for corner in box)
    return Window(low[0], low[1], high[0] - low[0] + 1, high[1] - low[1] + 1)


def _metadata(header: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in header.items() if type(value) in _PLAIN}
    if "pixelAspectRatio" in kept:
        kept["PixelAspectRatio"] = kept.pop("pixelAspectRatio")
    rate = header.get("framesPerSecond")
    if rate is not None:
        kept["FramesPerSecond"] = rational(float(rate))
    return kept
