"""A cache of pictures, bounded in bytes; the least recently used go first."""

from __future__ import annotations

import threading
from collections import OrderedDict

from embedded_nuke.render.image import Image


class ImageCache:
    """Pictures by their hash. A picture larger than the whole cache is not kept."""

    def __init__(self, limit: int) -> None:
        """``limit`` in bytes, 0 or more."""
        self._limit = limit
        self._used = 0
        self._images: OrderedDict[str, Image] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes of pixels held."""
        return self._used

    @property
    def limit(self) -> int:
        """The bound, in bytes."""
        return self._limit

    def resize(self, limit: int) -> None:
        """Change the bound, in bytes; what no longer fits is dropped at once."""
        with self._lock:
            self._limit = limit
            self._shrink()

    def get(self, key: str) -> Image | None:
        """The picture of a hash, None if it is not held; makes it the most recently used."""
        with self._lock:
            image = self._images.get(key)
            if image is not None:
                self._images.move_to_end(key)
            return image

    def put(self, key: str, image: Image) -> None:
        """Keep a picture and drop old ones until all fit."""
        with self._lock:
            if key in self._images or image.pixels.nbytes > self._limit:
                return
            self._images[key] = image
            self._used += image.pixels.nbytes
            self._shrink()

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._images.clear()
            self._used = 0

    def _shrink(self) -> None:
        while self._used > self._limit and self._images:
            _, dropped = self._images.popitem(last=False)
            self._used -= dropped.pixels.nbytes

    def counts(self) -> tuple[int, int]:
        """Pictures and bytes held."""
        return len(self._images), self._used
