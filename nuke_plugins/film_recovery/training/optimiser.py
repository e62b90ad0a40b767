"""How the weights follow their gradients.

The weights between two layers are a matrix, and of the directions in it that a gradient names a few are loud and most are
faint. Muon (Jordan and others, *Muon: an optimizer for hidden layers in neural networks*, 2024) goes as far in all of them:
its step is the running mean of the gradients with every singular value made nearly 1. Colour is learned in about half the steps
by it, though no better in the end. The first layer, the heads and all offsets are no such matrices; they stay with AdamW
(Loshchilov and Hutter, ICLR 2019). So does spatial recovery, whose network is narrow and begins with weights: after long
trainings it is better by AdamW.
"""

from __future__ import annotations

import torch
from torch import nn

from film_recovery.training.network import HEADS

_OUTER = ("stem.", *HEADS)  # of the parameters' names: the first layer, and the last
_LEAST_CHANNELS = 16  # on either side; fewer are no matter of directions
_TURN = {"chroma": 30.0, "as-is": 20.0}  # times the learning rate, how far matrices go; none of a task that is not here
_MOMENTUM = 0.95
_BETAS, _DECAY = (0.9, 0.99), 1e-3  # of AdamW
_ROUNDS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)  # by Jordan and others
_TINY = 1e-30  # a sum of squares that is none

Groups = dict[str, dict[str, torch.Tensor]]


class Optimiser:
    """Moves the parameters of a ``network`` that is trained for ``task``; it has to be on its device by then."""

    def __init__(self, network: nn.Module, task: str) -> None:
        self._turn = _TURN.get(task, 0.0)
        self._alike: dict[tuple[int, int], dict[str, nn.Parameter]] = {}  # matrices of (rows, columns), by name
        self._others: dict[str, nn.Parameter] = {}
        for name, parameter in network.named_parameters():
            if self._turn and _is_matrix(name, parameter):
                self._alike.setdefault((parameter.shape[0], parameter[0].numel()), {})[name] = parameter
            else:
                self._others[name] = parameter
        self._mean = {
            shape: torch.zeros(len(members), *shape, device=next(iter(members.values())).device)
            for shape, members in self._alike.items()
        }
        self._adam = torch.optim.AdamW(self._others.values(), betas=_BETAS, weight_decay=_DECAY, fused=True)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move all parameters, which have gradients, by a step of the learning ``rate``."""
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        for shape, members in self._alike.items():
            gradients = torch.stack([_gradient(parameter).reshape(shape) for parameter in members.values()])
            mean = self._mean[shape].lerp_(gradients, 1.0 - _MOMENTUM)
            turned = orthogonal(gradients.lerp_(mean, _MOMENTUM))
            for parameter, change in zip(members.values(), turned, strict=True):
                parameter.add_(change.view(parameter.shape), alpha=-rate * self._turn)

    def state(self) -> Groups:
        """Every tensor that the next step depends on, by group and by the parameter's name."""
        found: Groups = {"mean": {}, "first": {}, "second": {}, "count": {}}
        for shape, members in self._alike.items():
            found["mean"] |= dict(zip(members, self._mean[shape], strict=True))
        for name, parameter in self._others.items():
            entry = self._adam.state.get(parameter)
            if entry:
                found["first"][name], found["second"][name] = entry["exp_avg"], entry["exp_avg_sq"]
                found["count"][name] = entry["step"]
        return {group: tensors for group, tensors in found.items() if tensors}

    def restore(self, groups: Groups) -> None:
        """Go back to what :meth:`state` gave. Raises KeyError where that was of another network, or moved otherwise."""
        for shape, members in self._alike.items():
            for row, name in zip(self._mean[shape], members, strict=True):
                row.copy_(groups["mean"][name])
        if "first" not in groups:  # no step was done
            return
        for name, parameter in self._others.items():
            first, second = (torch.empty_like(parameter).copy_(groups[group][name]) for group in ("first", "second"))
            count = groups["count"][name].to(parameter.device)
            self._adam.state[parameter] = {"step": count, "exp_avg": first, "exp_avg_sq": second}


def orthogonal(matrices_BMN: torch.Tensor) -> torch.Tensor:
    """Matrices (B, M, N) with the same singular vectors, and singular values between 0.68 and 1.21 where they were more than
    two thousandths of all together, smaller ones where they were less; of zeros, zeros.

    The iteration of Newton and Schulz, on the products of rows: all that it does to a matrix is to multiply it from the left
    by a polynomial of these, so it is carried on in (M, M), where M is the smaller side of a convolution's weights.
    """
    gram = matrices_BMN @ matrices_BMN.mT
    size = gram.diagonal(dim1=1, dim2=2).sum(dim=1).clamp_min(_TINY)[:, None, None]
    gram = gram / size
    left = factor = _quintic(gram)
    for _ in range(_ROUNDS - 1):
        gram = factor @ factor @ gram
        factor = _quintic(gram)
        left = factor @ left
    return left @ matrices_BMN / size.sqrt()


def _quintic(gram_BMM: torch.Tensor) -> torch.Tensor:
    first, second, third = _QUINTIC
    factor = torch.baddbmm(gram_BMM, gram_BMM, gram_BMM, beta=second, alpha=third)
    factor.diagonal(dim1=1, dim2=2).add_(first)
    return factor


def _is_matrix(name: str, parameter: nn.Parameter) -> bool:
    return parameter.dim() == 4 and min(parameter.shape[:2]) >= _LEAST_CHANNELS and not name.startswith(_OUTER)


def _gradient(parameter: nn.Parameter) -> torch.Tensor:
    assert parameter.grad is not None
    return parameter.grad
