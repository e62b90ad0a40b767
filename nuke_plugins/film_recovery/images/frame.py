"""One picture in memory, with everything of the file that has to survive a recovery."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Value = TypeVar("Value", bound=np.generic)
_FLOATING = ("half", "float", "double")
CODED = "film_recovery/coded"  # header entry of floating-point files that hold coded values


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels: ``x``, ``y`` the upper left corner (row 0 on top, may be negative), then its size."""

    x: int
    y: int
    width: int
    height: int

    def cut(self, picture: npt.NDArray[Value]) -> npt.NDArray[Value]:
        """Its pixels of ``picture``, (H, W, ...), inside of which it lies; not a copy."""
        return picture[self.y : self.y + self.height, self.x : self.x + self.width]


@dataclass
class Frame:
    """A picture in the working space, never clamped.

    ``rgb`` is float32 (H, W, 3) over the data window; ``extra`` holds every other channel, float32 (H, W), by full name in
    the order of the file; ``metadata`` the header entries that can be carried on, each a str, int, float or ``(OpenImageIO
    type, value)``; ``pixel_type`` what the file holds (``half``, ``float``, ``uint8``, ``uint10``, ``uint16`` …); ``source``
    its path, with ``#12`` behind it for frame 12 of a movie.
    """

    rgb: FloatArray
    data_window: Window
    display_window: Window
    extra: dict[str, FloatArray] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    pixel_type: str = "half"
    source: str = ""

    @classmethod
    def from_rgb(cls, rgb: npt.ArrayLike, pixel_type: str = "half", metadata: dict[str, Any] | None = None) -> Frame:
        """A frame whose data and display windows are the whole picture, (H, W, 3)."""
        pixels = np.asarray(rgb, np.float32)
        window = Window(0, 0, pixels.shape[1], pixels.shape[0])
        return cls(pixels, window, window, metadata=metadata or {}, pixel_type=pixel_type)

    def finite_rgb(self) -> FloatArray:
        """``rgb`` to look at or to measure: what is NaN or negative infinite is black, what is infinite white."""
        return self.rgb if np.isfinite(self.rgb).all() else np.nan_to_num(self.rgb, posinf=1.0, neginf=0.0)

    @property
    def is_coded(self) -> bool:
        """Whether the values are display-coded: integer files hold coded ones, floating ones linear light or say otherwise."""
        return self.pixel_type not in _FLOATING or CODED in self.metadata
