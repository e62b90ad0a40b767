"""What all tests share: real pictures, a disk that fills up, quiet threads, and nothing of whoever runs them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

for library in ("OMP", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import pytest  # noqa: E402

with contextlib.suppress(ImportError):  # the Pythons of other Nukes have none
    # Before OpenImageIO draws text, after which Pillow would measure its own in millions of pixels.
    import PIL.ImageFont  # noqa: F401

# A machine that is busy with something else is no failure.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def _nobodys_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the user and the studio have set up reaches no test and no process of one, and no test writes there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        for name in ("OCIO", "FILM_RECOVERY_CONFIG"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def photograph() -> npt.NDArray[np.float32]:
    """A photograph as linear light, (400, 600, 3), 0 to 1 (coffee, by Rachel Michetti, CC0, from scikit-image)."""
    import skimage.data

    from film_recovery.images.encodings import decode

    return np.asarray(decode(skimage.data.coffee().astype(np.float32) / 255.0, "display"), np.float32)


@pytest.fixture(scope="session")
def portrait() -> npt.NDArray[np.float32]:
    """Another photograph as linear light, (512, 512, 3), 0 to 1 (Eileen Collins, NASA, public domain, from scikit-image)."""
    import skimage.data

    from film_recovery.images.encodings import decode

    return np.asarray(decode(skimage.data.astronaut().astype(np.float32) / 255.0, "display"), np.float32)


@contextlib.contextmanager
def _file_size_limit(most: int) -> Iterator[None]:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def full_disk_after() -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """Within it the operating system refuses every file byte beyond the given number, as a full disk does."""
    return _file_size_limit
