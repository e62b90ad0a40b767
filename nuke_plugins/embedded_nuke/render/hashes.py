"""The hash of a node at a frame: class, knobs at that frame, files, and the hashes of what it asks of its inputs."""

from __future__ import annotations

import hashlib
import os
import sys
from typing import Any, Callable

from embedded_nuke.render.operation import RenderError, requests_of
from embedded_nuke.render.ops_expression import named_values
from embedded_nuke.render.ops_metadata import metadata_changes
from embedded_nuke.render.ops_time import WEIGHTS
from embedded_nuke.render.reader import read_file_name
from embedded_nuke.render.walk import is_disabled, source_of

# Knobs that no picture depends on: looks, callbacks, names. ``disable`` and lifetime act through the walk.
_COSMETIC = frozenset(
    [
        "autolabel", "bookmark", "cached", "disable", "dope_sheet", "gl_color", "help", "hide_input", "icon", "indicators",
        "knobChanged", "label", "lifetimeEnd", "lifetimeStart", "name", "note_font", "note_font_color", "note_font_size",
        "onCreate", "onDestroy", "panel", "postage_stamp", "postage_stamp_frame", "rootNodeUpdated", "selected", "tile_color",
        "updateUI", "useLifetime", "xpos", "ypos", "beforeRender", "afterRender", "beforeFrameRender", "afterFrameRender",
        "process_mask", "maskFromFlag", "version",
    ]
)  # fmt: skip
_NO_VALUE = frozenset(
    [
        "PyScript_Knob",
        "Script_Knob",
        "PythonKnob",
        "PythonCustomKnob",
        "PyCustom_Knob",
        "Tab_Knob",
        "Text_Knob",
        "BeginTabGroup_Knob",
        "EndTabGroup_Knob",
        "Obsolete_Knob",
        "Link_Knob",
        "Help_Knob",
    ]
)
# Their text does not tell whether the frame number is in it.
_BY_FRAME = frozenset(["Expression"])
_BY_ROOT = frozenset(["Read", "Write", "OCIOColorSpace", "OCIOFileTransform", "Reformat"])
_ROOT_KNOBS = [
    "format",
    "project_directory",
    "colorManagement",
    "OCIO_config",
    "customOCIOConfigPath",
    "workingSpaceLUT",
    "int8Lut",
    "int16Lut",
    "logLut",
    "floatLut",
]
_READS_FILES = {"OCIOFileTransform": "file", "Vectorfield": "vfield_file"}


class NodeHashes:
    """Hashes of nodes while no knob changes: each is worked out once."""

    def __init__(self, operation: Callable[[Any, float], Any]) -> None:
        self._operation = operation
        self._known: dict[tuple[int, float], str] = {}
        self._keep: list[Any] = []
        self._open: dict[tuple[int, float], bool] = {}

    def of(self, node: Any, frame: float) -> str:
        """32 hexadecimal digits. Raises :class:`RenderError` where the graph loops."""
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 9000))
        source = source_of(node, frame)
        if source is None:
            return "0" * 32
        mark = (id(source), frame)
        if mark in self._known:
            return self._known[mark]
        if mark in self._open:
            raise RenderError(f"{source.name()} depends on itself at frame {frame:g}; open the loop.")
        self._open[mark] = True
        try:
            self._known[mark] = self._work_out(source, frame)
            self._keep.append(source)  # so that no other object gets this id meanwhile
        finally:
            del self._open[mark]
        return self._known[mark]

    def _work_out(self, node: Any, frame: float) -> str:
        operation = self._operation(node, frame)
        digest = hashlib.sha256(operation.class_name.encode())
        if is_disabled(node, frame):
            digest.update(b"|disabled")
        if operation.class_name in _BY_FRAME:
            digest.update(f"|frame {frame!r} {named_values(operation)!r}".encode())
        if operation.class_name in WEIGHTS:
            digest.update(f"|{WEIGHTS[operation.class_name](operation)!r}".encode())
        by_value = operation.class_name == "ModifyMetaData"
        for name, knob in sorted(node.knobs().items()):
            if name not in _COSMETIC and knob.Class() not in _NO_VALUE and not (name == "metadata" and by_value):
                digest.update(f"|{name}={knob.text_at(frame)}".encode("utf-8", "surrogateescape"))
        if by_value:
            digest.update(repr(metadata_changes(operation)).encode("utf-8", "surrogateescape"))
        digest.update(self._surroundings(operation).encode("utf-8", "surrogateescape"))
        digest.update(self._files(operation).encode("utf-8", "surrogateescape"))
        for index, at in requests_of(operation):
            connected = node.input(index)
            digest.update(f"|{index}:{'' if connected is None else self.of(connected, at)}".encode())
        return digest.hexdigest()[:32]

    @staticmethod
    def _surroundings(operation: Any) -> str:
        """What of the root the picture depends on: the format for what has no input, colour management for what uses it."""
        name = operation.class_name
        if name not in _BY_ROOT and operation.input_count:
            return ""
        knobs = "|".join(f"{knob}={operation.root_text(knob)}" for knob in _ROOT_KNOBS)
        return f"|{knobs}|{os.environ.get('OCIO', '')}"

    @staticmethod
    def _files(operation: Any) -> str:
        if operation.class_name == "Read" or (operation.class_name == "Write" and operation.flag("reading")):
            return file_identity(read_file_name(operation))
        knob = _READS_FILES.get(operation.class_name)
        return file_identity(operation.text(knob)) if knob else ""


def file_identity(path: str) -> str:
    """Path, size and time of the last change, so that a rewritten file is another one; ``missing`` where there is none."""
    if not path:
        return "|no file"
    try:
        status = os.stat(path)
    except OSError:
        return f"|{path} missing"
    return f"|{path} {status.st_size} {status.st_mtime_ns}"
