"""The step of a training: turned gradients for matrices, AdamW for the rest, and a state that comes back bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from film_recovery.training.network import HEADS, make_network
from film_recovery.training.optimiser import Optimiser, orthogonal

TASKS = {"chroma": (5, 2), "spatial": (4, 1), "as-is": (6, 3)}


@given(seed=st.integers(0, 10_000), rows=st.integers(16, 96), more=st.integers(0, 200), size=st.floats(-6.0, 6.0))
@settings(max_examples=60)
def test_singular_values_become_nearly_one_and_the_vectors_stay(seed: int, rows: int, more: int, size: float) -> None:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, rows + more)).astype(np.float32) * np.float32(10.0**size)
    left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    turned = orthogonal(torch.from_numpy(matrix)[None])[0].numpy()
    inside = left.T @ turned.astype(np.float64) @ right.T  # by the matrix's own singular vectors
    sure = values > 2e-3 * np.sqrt(np.square(values).sum())
    found = np.diag(inside)[sure]
    assert found.min() > 0.6 and found.max() < 1.3
    assert np.abs(inside[np.ix_(sure, sure)] - np.diag(found)).max() < 2e-2


def _spectrum(kind: str) -> np.ndarray:
    """A matrix of 64 rows as gradients have: of few directions, with rows of units that are dead, or of fading directions."""
    random = np.random.default_rng(5)
    if kind == "dead rows":
        matrix = random.normal(size=(64, 576))
        matrix[::2] = 0.0
        return matrix
    left, right = (np.linalg.qr(random.normal(size=(size, 64)))[0] for size in (64, 576))
    values = np.logspace(0.0, -6.0, 64) if kind == "fading" else (np.arange(64) < int(kind)).astype(np.float64)
    return np.asarray(left * values @ right.T)


@pytest.mark.parametrize("kind", ["1", "4", "dead rows", "fading"])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e8])
def test_faint_directions_stay_bounded_and_come_out_as_the_polynomial_says(kind: str, size: float) -> None:
    matrix = _spectrum(kind) * size
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values /= np.sqrt(np.square(values).sum())
    for _ in range(5):  # of Newton, Schulz, and the coefficients of Jordan and others, on exact singular values
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    turned = orthogonal(torch.from_numpy(matrix.astype(np.float32))[None])[0].numpy()
    assert np.linalg.norm(turned - left * values @ right, 2) < 5e-3
    assert np.linalg.norm(turned, 2) < 1.21


def test_of_nothing_nothing_is_made() -> None:
    assert not orthogonal(torch.zeros(2, 16, 32)).any()


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this PyTorch has no Muon of its own to compare with")
def test_matrices_move_as_by_the_library_s_own() -> None:
    torch.manual_seed(1)
    ours = make_network("chroma", 5, 2, "medium")
    name = "encode.1.0.first.weight"
    start = ours.get_parameter(name).detach().clone()
    theirs = nn.Parameter(start.reshape(start.shape[0], -1).clone())
    library = torch.optim.Muon([theirs], lr=0.03, momentum=0.95, weight_decay=0.0)
    optimiser = Optimiser(ours, "chroma")
    for _ in range(5):
        for parameter in ours.parameters():
            parameter.grad = torch.randn_like(parameter)
        theirs.grad = ours.get_parameter(name).grad.reshape(theirs.shape).clone()  # type: ignore[union-attr]
        optimiser.step(1e-3)
        library.step()
    moved = (ours.get_parameter(name).detach() - start).reshape(theirs.shape)
    expected = theirs.detach() - start.reshape(theirs.shape)  # in bfloat16, by them
    assert float((moved - expected).norm() / expected.norm()) < 0.03


@pytest.mark.parametrize("task", TASKS)
def test_the_first_layer_the_heads_and_offsets_move_as_by_adamw_and_all_that_learns_detail(task: str) -> None:
    torch.manual_seed(2)
    ours = make_network(task, *TASKS[task], "medium")
    theirs = copy.deepcopy(ours)
    optimiser = Optimiser(ours, task)
    library = torch.optim.AdamW(theirs.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-3)
    for _ in range(3):
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        optimiser.step(1e-3)
        library.step()
    alike = {
        name for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True)
        if torch.allclose(one, other, rtol=1e-5, atol=1e-7)
    }  # fmt: skip
    names = {name for name, _ in ours.named_parameters()}
    outer = {name for name, one in ours.named_parameters() if one.dim() == 1 or name.startswith(("stem.", *HEADS))}
    assert alike == (names if task == "spatial" else outer) and outer < names


def _trained(steps: Sequence[int], network: nn.Module, optimiser: Optimiser) -> None:
    for step in steps:
        torch.manual_seed(step)
        given_, wanted = torch.randn(2, 5, 32, 32), torch.randn(2, 2, 32, 32)
        network.zero_grad()
        functional.l1_loss(network(given_.contiguous(memory_format=torch.channels_last)), wanted).backward()
        optimiser.step(1e-3)


def test_what_was_saved_goes_on_to_the_same_bits() -> None:
    torch.manual_seed(3)
    network = make_network("chroma", 5, 2, "small").to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = Optimiser(network, "chroma")
    _trained(range(3), network, optimiser)
    other = copy.deepcopy(network)
    groups = {group: {name: part.clone() for name, part in members.items()} for group, members in optimiser.state().items()}
    restored = Optimiser(other, "chroma")
    restored.restore(groups)
    _trained(range(3, 6), network, optimiser)
    _trained(range(3, 6), other, restored)
    for one, again in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, again)


@pytest.mark.parametrize("group", ["mean", "first", "second", "count"])
def test_what_lacks_a_tensor_is_not_gone_on_from(group: str) -> None:
    network = make_network("chroma", 5, 2, "small")
    optimiser = Optimiser(network, "chroma")
    _trained(range(1), network, optimiser)
    groups = optimiser.state()
    groups[group].popitem()
    with pytest.raises(KeyError):
        Optimiser(network, "chroma").restore(groups)
