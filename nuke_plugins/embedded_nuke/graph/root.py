"""The root: the script itself, its range, format and current frame."""

from __future__ import annotations

import os

from embedded_nuke.graph.formats import Format
from embedded_nuke.graph.group import Group


class Root(Group):
    """The outermost group. Its name is the script's file, empty when it was never saved."""

    def __init__(self) -> None:
        self.is_modified = False
        self.layers: list[tuple[str, ...]] = []  # what follows ``add_layer`` in the script, kept for saving
        super().__init__("Root", None)
        self._knobs["name"].read_words(("{}",))

    def name(self) -> str:
        """``Root``, or the script's file."""
        return self.file_name or "Root"

    def fullName(self) -> str:
        """``root``."""
        return "root"

    @property
    def file_name(self) -> str:
        """The script's file with forward slashes; empty when it was never saved."""
        return str(self._knobs["name"]._text)  # type: ignore[attr-defined]

    def set_file_name(self, path: str) -> None:
        """Remember where the script lies."""
        self._knobs["name"].setValue(path.replace("\\", "/"))

    def script_directory(self) -> str:
        """The script's folder; empty when it was never saved."""
        return os.path.dirname(self.file_name)

    def frame(self) -> float:
        """The current frame."""
        self._check("Root.frame")
        value = self._knobs["frame"].number_at(0.0)
        return int(value) if value == int(value) else value

    def setFrame(self, frame: float) -> None:
        """Go to a frame."""
        self["frame"].setValue(float(frame))

    def firstFrame(self) -> int:
        """First frame of the project."""
        return int(self["first_frame"].value())

    def lastFrame(self) -> int:
        """Last frame of the project."""
        return int(self["last_frame"].value())

    def fps(self) -> float:
        """Frames per second."""
        return float(self["fps"].value())

    def proxy(self) -> bool:
        """Whether proxy mode is on."""
        return bool(self["proxy"].value())

    def setProxy(self, on: bool) -> None:
        """Switch proxy mode."""
        self["proxy"].setValue(bool(on))

    def format(self) -> Format:
        """The project's format."""
        found = self["format"]
        return found._format or Format(2048, 1556)  # type: ignore[attr-defined]

    def modified(self) -> bool:
        """Whether something changed since the script was saved."""
        return self.is_modified

    def setModified(self, modified: bool) -> None:
        """Say whether something changed."""
        self.is_modified = bool(modified)

    def image_value(self, what: str, frame: float) -> float:
        """The project's own values, which no picture gives."""
        values = {
            "width": self.format().width(), "height": self.format().height(), "pixel_aspect": self.format().pixelAspect(),
            "first_frame": self.firstFrame(), "last_frame": self.lastFrame(),
            "format.w": self.format().width(), "format.h": self.format().height(),
            "format.width": self.format().width(), "format.height": self.format().height(),
        }  # fmt: skip
        return float(values.get(what, 0.0))
