"""The sample clip, fetched once per checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_elements import clip
from film_recovery.contract.errors import InputError


@pytest.fixture(scope="session")
def sample_clip(pytestconfig: pytest.Config) -> Path:
    """Big Buck Bunny, 1280x720, 132 frames; without it and without a network, tests that need it are skipped."""
    try:
        return clip.find_clip(Path(pytestconfig.rootpath) / ".pytest_cache" / "film_clip")
    except InputError as error:
        pytest.skip(str(error))
