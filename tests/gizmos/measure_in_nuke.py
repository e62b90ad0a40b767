"""Measure the gizmos in a real Nuke: ``nuke -t tests/gizmos/measure_in_nuke.py`` with the checkout on ``NUKE_PATH``.

Standard library and ``nuke`` only. Constants go through the nodes, the result is sampled and compared with the formulas.
"""

from __future__ import annotations

import math
import sys

import nuke

VALUES = (-0.25, 0.0, 0.001, 0.0031308, 0.0078125, 0.18, 0.9, 1.0, 4.0)
LUMA = {"709": (0.2126, 0.7152, 0.0722), "601": (0.299, 0.587, 0.114), "2020": (0.2627, 0.678, 0.0593)}
BALANCE = ((1.6, -0.3, 0.05), (-0.1, 1.2, 0.02), (0.0, -0.2, 1.4), (0.05, -0.02, 0.1))
TOLERANCE = 1e-5


def encode(value: float, encoding: str) -> float:
    """The coding of docs/colour.md."""
    if encoding == "display":
        size = abs(value)
        return value * 12.92 if size <= 0.0031308 else math.copysign(1.055 * size ** (1 / 2.4) - 0.055, value)
    if encoding == "log":
        return value * 10.5402377416545 + 0.0729055341958355 if value <= 0.0078125 else (math.log2(value) + 9.72) / 17.52
    return value


def decode(value: float, encoding: str) -> float:
    """Back."""
    if encoding == "display":
        size = abs(value)
        return value / 12.92 if size <= 0.0031308 * 12.92 else math.copysign(((size + 0.055) / 1.055) ** 2.4, value)
    if encoding == "log":
        low = value <= 0.155251141552511
        return (value - 0.0729055341958355) / 10.5402377416545 if low else 2.0 ** (value * 17.52 - 9.72)
    return value


def balance(rgb: tuple[float, ...]) -> list[float]:
    """The density balance of docs/colour.md."""
    density = [-math.log10(max(value, 0.001)) for value in rgb]
    out = []
    for index, row in enumerate(BALANCE[:3]):
        balanced = sum(weight * value for weight, value in zip(row, density)) + BALANCE[3][index]
        out.append(10.0**-balanced + min(rgb[index] - 0.001, 0.0))
    return out


def constant(rgb: tuple[float, ...]) -> object:
    """A picture of one colour."""
    node = nuke.nodes.Constant(channels="rgb")
    node["color"].setValue([*rgb, 0.0])
    return node


def sample(node: object) -> list[float]:
    """Its colour, in the middle."""
    return [node.sample(f"rgba.{name}", 100.5, 100.5) for name in ("red", "green", "blue")]  # type: ignore[attr-defined]


def error(found: list[float], expected: list[float]) -> float:
    """The largest difference, of the value's size where that is above 1."""
    return max(abs(a - b) / max(abs(b), 1.0) for a, b in zip(found, expected))


def measure() -> dict[str, float]:
    """The largest difference of every gizmo."""
    worst = {"RecoveryCurve": 0.0, "RecoveryBalance": 0.0, "RecoveryTarget": 0.0, "RecoveryMerge": 0.0}
    for number, value in enumerate(VALUES):
        rgb = (value, VALUES[(number + 3) % len(VALUES)], VALUES[(number + 5) % len(VALUES)])
        other = tuple(reversed(rgb))
        source, reference = constant(rgb), constant(other)
        for encoding in ("display", "log", "none"):
            curve = nuke.nodes.RecoveryCurve(inputs=[source], encoding=encoding)
            worst["RecoveryCurve"] = max(worst["RecoveryCurve"], error(sample(curve), [encode(v, encoding) for v in rgb]))
            for matrix, weights in LUMA.items():
                coded = [[encode(v, encoding) for v in part] for part in (rgb, other)]
                step = sum(w * (a - b) for w, a, b in zip(weights, *coded))
                expected = [decode(v + step, encoding) for v in coded[1]]
                for kind, knobs in (("RecoveryTarget", {"task": "chroma"}), ("RecoveryMerge", {"mode": "color"})):
                    node = getattr(nuke.nodes, kind)(inputs=[source, reference], encoding=encoding, matrix=matrix, **knobs)
                    worst[kind] = max(worst[kind], error(sample(node), expected))
        node = nuke.nodes.RecoveryBalance(inputs=[source])
        for knob, row in zip(("row0", "row1", "row2", "offset"), BALANCE):
            node[knob].setValue(list(row))
        worst["RecoveryBalance"] = max(worst["RecoveryBalance"], error(sample(node), balance(rgb)))
    return worst


if __name__ == "__main__":
    figures = measure()
    for name, value in figures.items():
        print(f"{name}: {value:.1e} {'good' if value <= TOLERANCE else 'TOO FAR, at most 1e-5 is right'}")
    sys.exit(0 if max(figures.values()) <= TOLERANCE else 1)
