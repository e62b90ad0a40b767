"""Image formats: size, picture area, pixel aspect and name."""

from __future__ import annotations

from embedded_nuke.graph.values import KnobValueError
from embedded_nuke.script.curve import number_text
from embedded_nuke.script.words import split_words, value_of

# Spelled as Nuke's scripts spell them.
_STANDARD = (
    "640 480 0 0 640 480 1 PC_Video",
    "720 486 0 0 720 486 0.91 NTSC",
    "720 576 0 0 720 576 1.09 PAL",
    "1920 1080 0 0 1920 1080 1 HD_1080",
    "1280 720 0 0 1280 720 1 HD_720",
    "3840 2160 0 0 3840 2160 1 UHD_4K",
    "1024 778 0 0 1024 778 1 1K_Super_35(full-ap)",
    "914 778 0 0 914 778 2 1K_Cinemascope",
    "2048 1556 0 0 2048 1556 1 2K_Super_35(full-ap)",
    "2048 1080 0 0 2048 1080 1 2K_DCP",
    "1828 1556 0 0 1828 1556 2 2K_Cinemascope",
    "4096 3112 0 0 4096 3112 1 4K_Super_35(full-ap)",
    "4096 2160 0 0 4096 2160 1 4K_DCP",
    "3656 3112 0 0 3656 3112 2 4K_Cinemascope",
    "256 256 0 0 256 256 1 square_256",
    "512 512 0 0 512 512 1 square_512",
    "1024 1024 0 0 1024 1024 1 square_1K",
    "2048 2048 0 0 2048 2048 1 square_2K",
)


class Format:
    """A format, as ``nuke.Format(width, height, x, y, r, t, pixel_aspect)``; pixels, y upwards."""

    def __init__(
        self, width: int, height: int, x: int = 0, y: int = 0, r: int = -1, t: int = -1, pixelAspect: float = 1.0
    ) -> None:
        self._numbers = (int(width), int(height), int(x), int(y), int(r if r >= 0 else width), int(t if t >= 0 else height))
        self._aspect = float(pixelAspect)
        self._name = ""

    def width(self) -> int:
        """Width in pixels."""
        return self._numbers[0]

    def height(self) -> int:
        """Height in pixels."""
        return self._numbers[1]

    def x(self) -> int:
        """Left edge of the picture area."""
        return self._numbers[2]

    def y(self) -> int:
        """Lower edge of the picture area."""
        return self._numbers[3]

    def r(self) -> int:
        """Right edge of the picture area, the first pixel outside."""
        return self._numbers[4]

    def t(self) -> int:
        """Upper edge of the picture area, the first pixel outside."""
        return self._numbers[5]

    def pixelAspect(self) -> float:
        """Width of a pixel over its height."""
        return self._aspect

    def name(self) -> str:
        """The name, possibly empty."""
        return self._name

    def setName(self, name: str) -> None:
        """Name it."""
        self._name = name

    def text(self) -> str:
        """``W H x y r t aspect name``, as scripts have it."""
        numbers = " ".join(str(number) for number in self._numbers)
        return f"{numbers} {number_text(self._aspect)} {self._name}".rstrip()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and self.text() == other.text()

    def __hash__(self) -> int:
        return hash(self.text())

    def __repr__(self) -> str:
        return f"<Format {self.text()}>"


def parse_format(text: str) -> Format:
    """A format from ``W H x y r t aspect name`` or the shorter ``W H aspect name`` and ``W H``.

    Raises:
        KnobValueError: neither of these.
    """
    words = split_words(text)
    numbers: list[float] = []
    for word in words[:7]:
        try:
            numbers.append(float(word))
        except ValueError:
            break
    name = " ".join(value_of(word) for word in words[len(numbers) :])
    if len(numbers) == 7:
        width, height, x, y, r, t = (int(number) for number in numbers[:6])
        made = Format(width, height, x, y, r, t, numbers[6])
    elif len(numbers) == 3:
        made = Format(int(numbers[0]), int(numbers[1]), pixelAspect=numbers[2])
    elif len(numbers) == 2:
        made = Format(int(numbers[0]), int(numbers[1]))
    else:
        raise KnobValueError(f"'{text}' is no format; give width and height, or all seven numbers and a name")
    made.setName(name)
    return made


def standard_formats() -> dict[str, Format]:
    """Nuke's formats by name, a new dictionary."""
    made = [parse_format(text) for text in _STANDARD]
    return {entry.name(): entry for entry in made}
