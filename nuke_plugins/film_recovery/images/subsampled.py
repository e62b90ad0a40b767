"""EXR files whose channels are not all sampled at every pixel, which OpenImageIO refuses: read through OpenEXR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio

from film_recovery.contract.errors import UnreadableImageError
from film_recovery.images.attributes import FPS, TIME_CODE, packed_time, rational
from film_recovery.images.frame import Window

FloatArray = npt.NDArray[np.float32]
_PLAIN = (str, int, float)
_KEY_CODE = ("filmMfcCode", "filmType", "prefix", "count", "perfOffset", "perfsPerFrame", "perfsPerCount")


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
                name: full_size(np.asarray(channel.pixels, np.float32), (channel.ySampling, channel.xSampling), window)
                for name, channel in file.channels().items()
            }
            kinds = {channel.pixels.dtype for channel in file.channels().values()}
    except (RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UnreadableImageError(f"{path} is damaged or not whole ({reason}); copy or render this frame again.") from error
    return planes, window, display, _metadata(header), "half" if kinds == {np.dtype(np.float16)} else "float"


def full_size(plane: FloatArray, sampling: tuple[int, int], window: Window) -> FloatArray:
    """A plane of which every n-th row and column was kept, (h, w), enlarged to a window by linear interpolation.

    ``sampling`` is n down and across; samples stand on the pixels whose coordinates n divides.
    """
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
        kept[FPS] = rational(float(rate))
    if "chromaticities" in header:
        kept["chromaticities"] = (oiio.TypeDesc("float[8]"), tuple(float(value) for value in header["chromaticities"]))
    if "timeCode" in header:
        kept[TIME_CODE] = (oiio.TypeDesc("timecode"), _time_code(header["timeCode"]))
    if "keyCode" in header:
        key = tuple(int(getattr(header["keyCode"], name)) for name in _KEY_CODE)
        kept["smpte:KeyCode"] = (oiio.TypeDesc("keycode"), key)
    return kept


def _time_code(code: Any) -> tuple[int, int]:
    """Time and flags as SMPTE ST 12-1 packs them for 60 fields, as EXR files hold them, and user data."""
    time = packed_time(code.hours, code.minutes, code.seconds, code.frame)
    flags = {6: code.dropFrame, 7: code.colorFrame, 15: code.fieldPhase, 23: code.bgf0, 30: code.bgf1, 31: code.bgf2}
    return time | sum(int(flag) << bit for bit, flag in flags.items()), code.userData
