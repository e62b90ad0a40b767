"""What stands behind the buttons: fitting a balance through the worker, and finding again what was baked headless."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedded_nuke

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def balance(nuke: Any, worker: Path, faded: Any) -> Any:
    """A RecoveryBalance with both elements connected."""
    reads = [nuke.nodes.Read(file=file, file_type="exr", first=1, last=4, raw=True) for file in (faded.source, faded.reference)]
    return nuke.nodes.RecoveryBalance(inputs=reads, frames="1-3", align="none")


def test_the_fit_undoes_a_fading_and_reset_undoes_the_fit(balance: Any, rendered: Any, faded: Any, tmp_path: Path) -> None:
    from film_recovery_nuke.nodes import balance as behaviour

    found = behaviour.fit(balance)
    assert np.allclose(np.reshape(found[:9], (3, 3)), np.linalg.inv(faded.matrix), atol=0.05)
    assert "3 pairs" in balance["status"].value()
    error = np.abs(rendered(balance, 2) - rendered(balance.input(1), 2))
    assert float(np.median(error)) < 0.01
    assert not list(tmp_path.glob("film_recovery_*"))
    behaviour.reset(balance)
    assert np.allclose(rendered(balance, 2), rendered(balance.input(0), 2), atol=1e-6)


def test_the_fit_is_that_of_the_command_line(balance: Any, worker: Path, faded: Any) -> None:
    """The frames of the graph are the frames of the files: the same numbers, to the last digit."""
    from film_recovery_nuke.nodes import balance as behaviour

    found = behaviour.fit(balance)
    files = ["--source", faded.source, "--reference", faded.reference]
    options = ["--frames", "1-3", "--encoding", "display", "--align", "none", "--json"]
    line = [str(worker), "-m", "film_recovery.cli.main", "balance", *files, *options]
    answer = subprocess.run(line, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert found == json.loads(answer.stdout)["balance"]


@pytest.mark.parametrize(
    ("frames", "word"), [("", "name the frames"), ("1-", "1-"), ("2,9", "frame 9 lies outside of Read1, which has 1-4")]
)
def test_a_fit_that_cannot_be_says_why(balance: Any, frames: str, word: str) -> None:
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.nodes import balance as behaviour

    balance["frames"].setValue(frames)
    with pytest.raises(HostError, match=word):
        behaviour.fit(balance)
    assert balance.node("GatherSource")["disable"].value()


def test_a_fit_without_a_reference_says_so(balance: Any) -> None:
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.nodes import balance as behaviour

    balance.setInput(1, None)
    with pytest.raises(HostError, match="Reference"):
        behaviour.fit(balance)


def test_what_was_baked_headless_is_found_in_a_gui_session(nuke: Any, tmp_path: Path) -> None:
    from film_recovery_nuke.nodes import cache_key, inference

    (tmp_path / "model.onnx").write_bytes(b"any")
    nuke.root()["name"].setValue((tmp_path / "shot.nk").as_posix())
    node = nuke.nodes.RecoveryInference(modelFile="model.onnx", name="Recover")
    headless = inference.cache_of(node)
    assert headless is not None
    cache_key.keep_key(node)
    script = tmp_path / "shot.nk"
    nuke.scriptSaveAs(script.as_posix(), 1)

    for name in [name for name in sys.modules if name.partition(".")[0] == "film_recovery_nuke"]:
        del sys.modules[name]
    gui = embedded_nuke.install(gui=True, plugin_path=[str(ROOT / "gizmos")])
    gui.scriptOpen(script.as_posix())
    from film_recovery_nuke.nodes import inference as again

    found = again.cache_of(gui.toNode("Recover"))
    assert found is not None
    assert found.folder == headless.folder
