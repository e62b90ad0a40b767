"""What the pages have in common: templates, and pictures as data URLs, so that a page is one file."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import jinja2
from PIL import Image

from film_recovery.images.drawing import Bytes

_TEMPLATES = Path(__file__).parent / "templates"


def template(name: str, **functions: Callable[..., str]) -> jinja2.Template:
    """A template of ``templates``, which may call ``functions``. Text is escaped; a name that it is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    return environment.get_template(name, globals=functions)


def jpeg_url(pixels: Bytes, quality: int = 90) -> str:
    """A picture, (H, W, 3), as JPEG without chroma subsampling: colour is what is judged."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality, subsampling=0, optimize=True)
    return data_url("image/jpeg", buffer.getvalue())


def png_url(pixels: Bytes) -> str:
    """A picture, (H, W, 3), that comes back bit for bit."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return data_url("image/png", buffer.getvalue())


def file_url(path: Path) -> str:
    """A PNG file as it is."""
    return data_url("image/png", path.read_bytes())


def data_url(kind: str, content: bytes) -> str:
    """``content`` of the media type ``kind``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
