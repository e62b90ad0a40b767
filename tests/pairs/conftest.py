"""Two small film elements on disk: a faded source and a soft, shifted reference of the same moving picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from film_recovery.contract.job import TrainingJob
from film_recovery.images.encodings import decode, density_to_linear, linear_to_density
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame

FADE = np.array([[0.5, 0.04, 0.01], [0.03, 0.9, 0.03], [0.02, 0.05, 0.7]])
STAIN = np.array([0.1, 0.02, 0.05])
SHIFT = (2.4, -1.3)
FRAMES = list(range(1001, 1011))
HEIGHT, WIDTH = 144, 208

JobMaker = Callable[..., TrainingJob]


def truth(frame: int) -> np.ndarray:
    """A window that travels over a photograph, linear light, with room around it for a shift."""
    photograph = skimage.data.coffee().astype(np.float32) / 255.0
    left = 10 + 17 * (frame - FRAMES[0])
    return np.asarray(decode(photograph[60 : 60 + HEIGHT, left : left + WIDTH], "display"), np.float32) * 0.9 + 0.02


def faded(linear: np.ndarray) -> np.ndarray:
    return np.asarray(density_to_linear(linear_to_density(linear.astype(np.float64)) @ FADE.T + STAIN), np.float32)


def softened(linear: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    matrix = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
    size = (linear.shape[1], linear.shape[0])
    moved = cv2.warpAffine(linear, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), 0.7), np.float32)


def save(path: Path, rgb: np.ndarray, kind: str = "float") -> None:
    write_frame(path, Frame.from_rgb(rgb), pixel_type=kind)


@pytest.fixture(scope="session")
def elements_on_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``faded film/scan.####.exr`` and ``Kopie für Prüfung/print.####.exr``: spaces and umlauts on purpose."""
    folder = tmp_path_factory.mktemp("elements")
    for frame in FRAMES:
        save(folder / "faded film" / f"scan.{frame:04d}.exr", faded(truth(frame)))
        save(folder / "Kopie für Prüfung" / f"print.{frame:04d}.exr", softened(truth(frame), SHIFT))
    return folder


@pytest.fixture
def job(elements_on_disk: Path) -> JobMaker:
    """A chroma job on the elements, with changes by keyword."""

    def make(**changes: object) -> TrainingJob:
        values: dict[str, object] = {
            "task": "chroma",
            "source": str(elements_on_disk / "faded film" / "scan.####.exr"),
            "reference": str(elements_on_disk / "Kopie für Prüfung" / "print.####.exr"),
            "frames": [1001, 1008],
            "held_out": [1004],
            "steps": 1,
        }
        return TrainingJob(**{**values, **changes})  # type: ignore[arg-type]

    return make
