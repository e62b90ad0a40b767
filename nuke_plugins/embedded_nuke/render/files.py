"""File names of Read and Write: frame numbers, view tokens, prefixes, the project's folder."""

from __future__ import annotations

import os
import re

_PRINTF = re.compile(r"%(0?)(\d*)d")
_HASHES = re.compile(r"#+")
_PREFIX = re.compile(r"^([A-Za-z0-9]{2,5}):(?![\\/]{0}[A-Za-z0-9]*:)(.*)$", re.DOTALL)
_KINDS = {
    "jpg": "jpeg", "jpeg": "jpeg", "tif": "tiff", "tiff": "tiff", "tga": "targa", "targa": "targa", "exr": "exr", "sxr": "exr",
    "dpx": "dpx", "cin": "cin", "png": "png", "gif": "gif", "hdr": "hdr", "sgi": "sgi", "pic": "pic", "psd": "psd",
}  # fmt: skip


def split_prefix(name: str) -> tuple[str, str]:
    """``exr:/a/b.###`` to (``exr``, ``/a/b.###``): a file type before the path, or an empty one. ``c:`` is a drive."""
    match = _PREFIX.match(name)
    if match and match.group(1).lower() in _KINDS:
        return match.group(1).lower(), match.group(2)
    return "", name


def with_frame(pattern: str, frame: int) -> str:
    """Fill in ``%04d``, ``####`` and the view (``%V``, ``%v``), which is ``main``; frames may be negative (``-005``)."""

    def printf(match: re.Match[str]) -> str:
        return f"%{match.group(1)}{match.group(2)}d" % frame

    name = _PRINTF.sub(printf, pattern)
    name = _HASHES.sub(lambda match: f"%0{len(match.group(0))}d" % frame, name)
    return name.replace("%V", "main").replace("%v", "m")


def located(name: str, project_directory: str) -> str:
    """An absolute path: relative names stand in the project's folder, else in the current one."""
    return os.path.normpath(os.path.join(project_directory or os.getcwd(), os.path.expanduser(name)))


def kind_of(name: str, file_type: str, prefix: str = "") -> str:
    """The file type, in Nuke's names: the knob's, else the prefix's, else the suffix's; empty if unknown."""
    chosen = file_type.strip() or prefix or os.path.splitext(name)[1].lstrip(".").lower()
    return _KINDS.get(chosen.lower(), chosen.lower())
