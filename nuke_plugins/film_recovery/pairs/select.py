"""From material to ``pairs.json``: which pairs to train on and which to hold out, in every scope, with reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from film_recovery.contract.curation import ChosenPair, ScopeRecord, SelectionRecord
from film_recovery.contract.errors import InputError, StoppedError, UsageError
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.images.ranges import counted, format_frames
from film_recovery.pairs.choose import choose
from film_recovery.pairs.coverage import Coverage
from film_recovery.pairs.explain import Words
from film_recovery.pairs.material import Material, PairCheck
from film_recovery.pairs.rules import FloatArray, look_the_same, thumbnail
from film_recovery.pairs.scopes import Scope, find_splits, make_scopes
from film_recovery.pairs.soundness import BESIDE_CUT

STEPS = (4, 7, 11, 16, 24, 32)  # pairs
WORTH = 0.03  # share of the scope's picture that a step must newly cover to be worth it
_CLOSEST, _FARTHEST = 2, 12  # frames between neighbours that two pairs may not go below
_FEWEST_HELD_OUT = 2


@dataclass(frozen=True)
class SelectionRequest:
    """What a person asks for: ``count`` pairs in every scope, None to let the looks decide; ``held_out`` pairs, None for a
    third of the pairs and at least two; source frames to ``keep`` (always in), to ``hold`` out and to ``avoid``. ``reasons``
    says of kept or held frames why they are there, when it was not by hand."""

    count: int | None = None
    scope: str = "sequence"
    held_out: int | None = None
    keep: frozenset[int] = frozenset()
    avoid: frozenset[int] = frozenset()
    hold: frozenset[int] = frozenset()
    reasons: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ScopeResult:
    """One scope's choice, for pictures: rows in the order of choice, the judge of them, and the coverage after each step of
    :data:`STEPS` that was tried."""

    scope: Scope
    coverage: Coverage
    training: list[int]
    held_out: list[int]
    steps: dict[int, float]


@dataclass(frozen=True)
class Selected:
    """The record and what it rests on."""

    record: SelectionRecord
    material: Material
    scopes: list[ScopeResult]


@dataclass
class _State:
    material: Material
    request: SelectionRequest
    check: PairCheck
    reporter: Reporter
    rejected: dict[int, str] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)


def select_pairs(material: Material, request: SelectionRequest, reporter: Reporter = SilentReporter()) -> Selected:
    """Choose the pairs of every scope.

    Raises:
        UsageError: a frame to keep is one to avoid, or a count is below one.
        InputError: a frame to keep is not there or has no partner, or no frame at all is fit for a pair.
        StoppedError: the reporter asked to stop.
    """
    _check(material, request)
    state = _State(material, request, PairCheck(material), reporter)
    results, pairs, records = [], [], []
    for scope in make_scopes(request.scope, material.shots, material.looks):
        reporter.stage(f"Choosing pairs for {scope.name}")
        result = _serve(scope, state)
        results.append(result)
        words = Words(material.looks, result.coverage, material.frames)
        pairs += _pairs(result, words, state)
        covered = result.coverage.expect(result.training).covered
        uncovered = words.uncovered(result.training, scope.rows)
        frames = material.frames
        records.append(ScopeRecord(scope.name, frames[scope.first], frames[scope.last], round(covered, 4), uncovered))
        state.advice += _splits(scope, state)
    if not any(not pair.held_out for pair in pairs):
        raise InputError(_nothing_fit(state))
    record = SelectionRecord(
        source=material.source.name,
        reference=material.reference.name,
        scope=request.scope,
        pairs=pairs,
        scopes=records,
        rejected=_rejected(state, {row for result in results for row in (*result.training, *result.held_out)}),
        advice=state.advice,
    )
    return Selected(record, material, results)


def _check(material: Material, request: SelectionRequest) -> None:
    both = sorted(request.keep & (request.avoid | request.hold))
    if both:
        what = "avoid" if both[0] in request.avoid else "hold out"
        raise UsageError(f"Frame {both[0]} is both to keep and to {what}; take it out of one of the two.")
    if (request.count is not None and request.count < 1) or (request.held_out is not None and request.held_out < 0):
        raise UsageError("At least one pair must be chosen, and no fewer than 0 held out.")
    have = {frame for frame, partner in zip(material.frames, material.partners, strict=True) if partner is not None}
    absent = sorted((request.keep | request.hold) - set(material.frames))
    if absent:
        raise InputError(f"Frame {absent[0]} is to be kept, but is none of {material.source.name}; choose another.")
    alone = sorted((request.keep | request.hold) - have)
    if alone:
        raise InputError(f"Frame {alone[0]} is to be kept, but has no partner in {material.reference.name}; choose another.")


def _serve(scope: Scope, state: _State) -> ScopeResult:
    """Choose, register, replace what fails, until all of a scope's pairs hold."""
    material, request = state.material, state.request
    coverage = Coverage(material.looks, scope.rows, material.soundness.trust)
    inside = [row for row in material.candidates if scope.first <= row <= scope.last]
    free = [row for row in inside if material.frames[row] not in request.avoid | request.hold]
    kept = [row for row in scope.rows if material.frames[row] in request.keep]
    for row in kept:
        problem = material.soundness.faults.get(row) or state.check.problem(row)
        if problem:
            state.advice.append(f"Frame {material.frames[row]} was kept as asked, but {problem}.")
    steps: dict[int, float] = {}
    training = _training(scope, coverage, free, kept, steps, state)
    held = [row for row in scope.rows if material.frames[row] in request.hold]
    wanted = request.held_out
    if wanted is None:
        wanted = min(max(_FEWEST_HELD_OUT, len(training) // 3), max(len(free) - len(training), 0) // 2)
    held_out = held or _held_out(scope, coverage, free, training, wanted, state)
    wanted = min(wanted, len(held)) if held else wanted
    _advise(scope, training, held_out, wanted, steps, state)
    return ScopeResult(scope, coverage, training, held_out, steps)


def _training(
    scope: Scope, coverage: Coverage, free: list[int], kept: list[int], steps: dict[int, float], state: _State
) -> list[int]:
    """The rows to train on. ``steps`` receives what each number of pairs that was tried covers."""
    asked = state.request.count
    counts = sorted({max(step, len(kept)) for step in STEPS}) if asked is None else [max(asked, len(kept))]
    chosen = _sound_choice(scope, coverage, free, kept, counts[0], [], state)
    steps[len(chosen)] = coverage.expect(chosen).covered
    following = counts[1:] if asked is None else [step for step in STEPS if step > counts[0]][:1]
    for count in following if len(chosen) >= counts[0] else ():
        more = _choice(scope, coverage, free, kept, count, chosen, 0, state)
        covered = coverage.expect(more).covered
        if len(more) <= len(chosen):
            break  # there are no more frames to be had
        steps[len(more)] = covered
        if asked is not None or covered - coverage.expect(chosen).covered < WORTH:
            break
        chosen = _sound_choice(scope, coverage, free, kept, count, chosen, state)
        steps[len(chosen)] = coverage.expect(chosen).covered
    return chosen


def _choice(
    scope: Scope,
    coverage: Coverage,
    free: list[int],
    kept: list[int],
    count: int,
    start: Sequence[int],
    rounds: int,
    state: _State,
) -> list[int]:
    gap = _gap(len(scope.rows), count)
    frames = state.material.frames

    def apart(row: int, others: Sequence[int]) -> bool:
        return all(abs(frames[row] - frames[one]) >= gap for one in others)

    candidates = [row for row in free if row not in state.rejected and row not in kept]
    return choose(coverage, candidates, count, kept, apart, start, rounds)


def _sound_choice(
    scope: Scope, coverage: Coverage, free: list[int], kept: list[int], count: int, start: Sequence[int], state: _State
) -> list[int]:
    """A choice whose every pair registers; what fails is replaced and the rest kept."""
    chosen = _choice(scope, coverage, free, kept, count, start, 2, state)
    while _reject(chosen, kept, state):
        sound = [row for row in chosen if row not in state.rejected]
        chosen = _choice(scope, coverage, free, kept, count, sound, 0, state)
    return chosen


def _reject(rows: Sequence[int], kept: Sequence[int], state: _State) -> bool:
    """Register the rows; remember those that fail, and whether there were any."""
    failed = False
    for done, row in enumerate(rows, start=1):
        if state.reporter.should_stop():
            raise StoppedError("Stopped while registering the chosen pairs; what was read of the elements is kept.")
        problem = "" if row in kept else state.check.problem(row)
        state.reporter.progress(done, len(rows), "pair")
        if problem:
            state.rejected[row] = problem
            failed = True
    return failed


def _held_out(scope: Scope, coverage: Coverage, free: list[int], training: list[int], wanted: int, state: _State) -> list[int]:
    """Frames that stand for the scope as training frames do, but are neither neighbours of these nor look the same."""
    if wanted < 1:
        return []
    gap = _gap(len(scope.rows), len(training) + wanted)
    frames = state.material.frames

    def apart(row: int, others: Sequence[int]) -> bool:
        return all(abs(frames[row] - frames[one]) >= gap for one in (*training, *others))

    while True:
        open_rows = [row for row in free if row not in state.rejected and row not in training and apart(row, ())]
        differing = _unlike(open_rows, training, state.material)
        chosen = choose(coverage, differing, wanted, [], apart)
        if len(chosen) < wanted:
            chosen = choose(coverage, open_rows, wanted, chosen, apart)
        if not _reject(chosen, (), state):
            return chosen


def _unlike(rows: Sequence[int], training: Sequence[int], material: Material) -> list[int]:
    """Those rows that look almost the same as none of the training, as the check before a training will find."""
    survey = material.survey_a

    def small(row: int) -> FloatArray:
        return thumbnail(np.asarray(survey.thumbnails[row], np.float32), survey.size[0])

    theirs, found = [small(row) for row in training], []
    for row in rows:
        ours = small(row)
        if not any(look_the_same(ours, one) for one in theirs):
            found.append(row)
    return found


def _gap(length: int, count: int) -> int:
    """Frames that two pairs must lie apart: less in a short scope that gives many."""
    return int(np.clip(length // (3 * max(count, 1)), _CLOSEST, _FARTHEST))


def _pairs(result: ScopeResult, words: Words, state: _State) -> list[ChosenPair]:
    material = state.material
    differing = _unlike(result.held_out, result.training, material)
    found = []
    for held_out, rows in ((False, result.training), (True, result.held_out)):
        for place, row in enumerate(rows):
            adds = [] if held_out else words.adds(row, rows[:place])
            given = state.request.reasons.get(material.frames[row], "")
            by_hand = not held_out and material.frames[row] in state.request.keep and not given
            if given:
                reason = given
            elif held_out:
                beside = ", apart from" if row in differing else "; no frame was left that differs clearly from"
                reason = f"held out: stands for the scope{beside} the training frames"
            else:
                reason = "kept by hand" if by_hand else "covers most of the scope" if place == 0 else "adds what was lacking"
            partner = material.partner(row)
            if partner.plus_minus:
                reason += f"; its partner may be {counted(partner.plus_minus, 'frame')} off, the picture stands still"
            found.append(ChosenPair(material.frames[row], partner.frame, held_out, reason, result.scope.name, adds, by_hand))
    return sorted(found, key=lambda pair: pair.source)


def _rejected(state: _State, taken: set[int]) -> list[dict[str, object]]:
    """Frames that were chosen and failed, and stretches of frames with one fault (``source`` to ``last``); cuts are no news,
    and rows that were ``taken`` nevertheless are not passed over."""
    frames = state.material.frames
    faults = {row: why for row, why in state.material.soundness.faults.items() if why != BESIDE_CUT and row not in taken}
    found: list[dict[str, object]] = []
    before, reason = -2, ""
    for row, why in sorted({**faults, **state.rejected}.items()):
        if found and row == before + 1 and why == reason:
            found[-1].update(last=frames[row], reason=f"{why} (to {frames[row]})")
        else:
            found.append({"source": frames[row], "reason": why})
        before, reason = row, why
    return found


def _advise(
    scope: Scope, training: list[int], held_out: list[int], wanted: int, steps: dict[int, float], state: _State
) -> None:
    count = len(training)
    where = "" if scope.name == "sequence" else f"{scope.name[0].upper()}{scope.name[1:]}: "
    asked = state.request.count
    if asked is not None and count < asked:
        state.advice.append(f"{where}only {count} of the {asked} pairs asked for could be had without neighbours and faults.")
    more = [step for step in steps if step > count]
    if more:
        gain = steps[min(more)] - steps[count]
        verdict = "worth it" if gain >= WORTH else "hardly worth it"
        state.advice.append(
            f"{where}{count} pairs cover {steps[count]:.0%} of the picture; {min(more)} would cover {steps[min(more)]:.0%}: "
            f"{verdict}."
        )
    if len(held_out) < wanted:
        state.advice.append(f"{where}only {len(held_out)} of {wanted} pairs could be held out.")


def _splits(scope: Scope, state: _State) -> list[str]:
    material = state.material
    found = []
    for split in find_splits(scope, material.shots, material.looks):
        frame = material.frames[split.at]
        found.append(
            f"From frame {frame} on the same source colours have other reference colours: one model for {scope.name} is off by "
            f"{split.before * 255:.0f} of 255 there, two models by {split.after * 255:.0f}; consider to train what comes "
            f"before and after it apart."
        )
    return found


def _nothing_fit(state: _State) -> str:
    frames, faults = state.material.frames, {**state.material.soundness.faults, **state.rejected}
    fit = {frames[row] for row in state.material.candidates}
    if fit and fit <= state.request.avoid:
        return "Every frame that is fit for a pair is one to avoid; name fewer with --avoid."
    reasons = sorted(set(faults.values()))[:3]
    what = f"; {format_frames([frames[row] for row in faults])}: {'; '.join(reasons)}" if faults else ""
    return f"No frame is fit for a pair{what}. Check the match or the offset, or name pairs by hand with --keep."
