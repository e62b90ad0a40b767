"""What a training finds out about grain, on pairs whose grain is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from film_recovery.pairs.dataset import Pair
from film_recovery.training.grain import measure_grain
from film_recovery.training.graph import RecoveryGraph

SOFT = 1.0  # pixels
SOURCE, REFERENCE = 0.02, 0.012  # deviation of coded luma


def _pairs(photograph: np.ndarray) -> list[Pair]:
    """A photograph with a sky above it; grain is white, and alike in the three channels."""
    random, pairs = np.random.default_rng(4), []
    for number in range(2):
        picture = np.full((256, 320, 3), 0.5, np.float32)
        picture[96:] = cv2.resize(photograph, (320, 160), interpolation=cv2.INTER_AREA)
        picture = picture if number == 0 else np.ascontiguousarray(picture[:, ::-1])
        source, reference = (random.normal(0.0, one, (256, 320, 1)).astype(np.float32) for one in (SOURCE, REFERENCE))
        soft = np.asarray(cv2.GaussianBlur(picture, (0, 0), SOFT), np.float32) + source
        pairs.append(Pair(number, False, soft, picture + reference, picture + reference))
    return pairs


def test_grain_of_both_elements_and_the_blur_between_them_are_found(photograph: np.ndarray) -> None:
    graph = RecoveryGraph("spatial", size="small", encoding="none", matrix="709", balance=None).eval()  # passes luma on
    found = {name: np.asarray(values) for name, values in measure_grain(graph, _pairs(photograph)).items()}
    fine = found["frequency"] > 0.1
    assert found["source"][fine] == pytest.approx(SOURCE**2, rel=0.3)
    assert found["recovered"][fine] == pytest.approx(found["source"][fine])
    assert found["reference"][fine].mean() == pytest.approx(REFERENCE**2, rel=0.15)
    assert found["softness"][0] == pytest.approx(SOFT, abs=0.25)
    assert found["strength"].mean() == pytest.approx(1.0, abs=0.3)
    assert all(np.isfinite(values).all() and (values >= 0.0).all() for values in found.values())


def test_other_tasks_and_tiny_pictures_have_nothing_to_tell(photograph: np.ndarray) -> None:
    pair = _pairs(photograph)[0]
    graph = RecoveryGraph("chroma", size="small", encoding="none", matrix="709", balance=None).eval()
    assert measure_grain(graph, [pair]) == {}
    spatial = RecoveryGraph("spatial", size="small", encoding="none", matrix="709", balance=None).eval()
    small = Pair(0, False, *(part[:100, :100].copy() for part in (pair.source, pair.reference, pair.target)))
    assert measure_grain(spatial, [small]) == {}
