"""The curves of an analysis."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from film_recovery.review.analysis_plots import layers_plot


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_shot_has_its_number_and_no_other(count: int) -> None:
    shot = SimpleNamespace(figures={"density_range": [(0.1, 1.2), (0.2, 1.3), (0.3, 1.1)]})
    reel: Any = SimpleNamespace(shots=[shot] * count)
    axes = layers_plot([reel], ["neg"]).axes[0]
    lowest, highest = axes.get_xlim()
    assert [place for place in axes.get_xticks() if lowest < place < highest] == list(range(1, count + 1))
