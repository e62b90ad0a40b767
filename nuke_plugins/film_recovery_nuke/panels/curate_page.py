"""The stage before the pairs: analyse, match, select and align, a tab each."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Callable

import nuke
from film_recovery.contract.analysis import ElementFigures, load_analysis
from film_recovery.contract.atomic import storage_errors
from film_recovery.contract.curation import load_alignment, load_match, load_selection
from film_recovery_nuke import conform, pair_list
from film_recovery_nuke.errors import HostError, shown
from film_recovery_nuke.frames import format_frames
from film_recovery_nuke.graph import Pair
from film_recovery_nuke.nodes import align
from film_recovery_nuke.pairing import to_files, to_project
from film_recovery_nuke.panels.command_tab import CommandTab
from film_recovery_nuke.panels.qt import QtWidgets
from film_recovery_nuke.panels.state import PanelState, selected_node

_PICKS = "picks.json"


class AnalyseTab(CommandTab):
    """What each element has kept."""

    command = "analyse"
    intro = (
        "Measures what each element has kept, shot by shot, and says which should lead in which pass. Works on Read nodes. A "
        "double click goes to a shot of the source; pointed at, the shot says which should lead in it."
    )
    headers = ("element", "frames", "what it has kept, and what to look at")
    has_page = wraps = True

    def fill(self, folder: Path) -> None:
        """Each element in a sentence, its shots beneath it, and the advice."""
        found = load_analysis(folder / "analysis.json")
        partners = {pair.first: pair for pair in found.shots}
        for number, element in enumerate(found.elements):
            self.put_row((Path(element.name).name, f"{element.frames[0]}-{element.frames[-1]}", _condition(element)))
            for place, shot in enumerate(element.shots):
                said = ", ".join(shot.flags) or "nothing unusual"
                pair = None if number else partners.get(place)
                if pair is not None and pair.second is not None:
                    said += f"; the reference's shot {pair.second + 1}"
                row = (f"    shot {place + 1}", f"{shot.first}-{shot.last}", said[0].upper() + said[1:])
                self.put_row(row, None if number else shot.first, (pair.advice if pair is not None else None) or "")
        self.fit_columns()
        self.table.setColumnWidth(0, min(self.table.columnWidth(0), 24 * self.fontMetrics().averageCharWidth()))
        self.put_notes("\n".join(text for text in (found.advice or "", *found.notes) if text))


def _condition(element: ElementFigures) -> str:
    """An element's sentence without its name, and what of its files is missing."""
    text = element.sentence
    if text.startswith(f"{element.name}: "):
        text = text[len(element.name) + 2 :]
    text = text[:1].upper() + text[1:]
    if element.missing:
        text += f" No files: {element.missing}."
    if element.broken:
        text += f" Unreadable: {format_frames(int(frame) for frame in element.broken)}."
    return text


class MatchTab(CommandTab):
    """Which frames show the same picture."""

    command = "match"
    intro = "Finds which frames of both elements show the same picture. A double click goes to the first frame of a stretch."
    headers = ("source", "reference", "frames", "offset", "confidence", "uncertain frames")

    def __init__(self, state: PanelState) -> None:
        super().__init__(state)
        self.add_actions(
            (
                "Use this match",
                "Show the reference at the source's frames: a TimeOffset, or a TimeWarp with its cuts.",
                self.build,
            ),
            ("Conform both", "Put both on a new time line that has every picture of either, by TimeWarps.", self.conform_both),
        )

    def fill(self, folder: Path) -> None:
        """The segments."""
        found = load_match(folder / "match.json")
        for part in found.segments:
            last = part.length - 1
            self.put_row((
                f"{part.first_a}-{part.first_a + last}", f"{part.first_b}-{part.first_b + last}", part.length,
                f"{part.first_a - part.first_b:+d}", f"{part.confidence:.2f}", sum(many > 0 for many in part.plus_minus),
            ), part.first_a)  # fmt: skip
        self.fit_columns()
        self.put_notes("\n".join(found.notes))

    @shown
    def build(self) -> Any:
        """Move the reference in time; the pages that follow take the new branch."""
        conform.check_numbers(self._state.node("source"))
        made = conform.place(load_match(self.record()), self._state.node("reference"))
        self._state.place(reference=made)
        return made

    @shown
    def conform_both(self) -> Any:
        """Move both in time, from the project's first frame on; the pages that follow take the new branches."""
        source, reference = self._state.node("source"), self._state.node("reference")
        made = conform.conform(load_match(self.record()), source, reference, nuke.root().firstFrame())
        self._state.place(source=made[0], reference=made[1])
        return made


class SelectTab(CommandTab):
    """Which pairs to train on."""

    command = "select"
    intro = "Proposes pairs to train on and to hold out, with reasons. Name frames to keep or to avoid, and start again."
    headers = ("source", "reference", "held out", "mine", "scope", "why this pair")
    has_page = wraps = True

    def __init__(self, state: PanelState, pairs: Any, train: Callable[[], Any]) -> None:
        super().__init__(state)
        self._pairs, self._train = pairs, train
        self.count, self.keep, self.avoid = (QtWidgets.QLineEdit(text) for text in ("auto", "", ""))
        self.scope = QtWidgets.QComboBox()
        self.scope.addItems(["shot", "scene", "sequence"])
        self.scope.setCurrentText("sequence")
        self.keep.setPlaceholderText("1001,1040-1042")
        self.mine = QtWidgets.QCheckBox()
        self.mine.setChecked(True)
        for label, box, tip in (
            ("Pairs", self.count, "How many pairs for each scope; auto leaves it to the looks of the film."),
            ("Scope", self.scope, "What one model is for."), ("Keep", self.keep, "Source frames that must be among the pairs."),
            ("Avoid", self.avoid, "Source frames that must not."),
            ("Mine", self.mine, "Pairs that you added or changed stay as they are; the others are chosen around them."),
        ):  # fmt: skip
            box.setToolTip(tip)
            self.form.addRow(label, box)
        self.add_actions(
            ("To the page Pairs", "Fill the table of pairs, where everything can be changed; yours stay in it.", self.take),
            ("Use these pairs", "The same, and give them to the RecoveryTrain of the page Train.", self.use),
        )

    def options(self, folder: Path) -> list[str]:
        """Pairs, scope, and a person's own picks."""
        words = ["--pairs", self.count.text().strip() or "auto", "--scope", self.scope.currentText()]
        for option, box in (("--keep", self.keep), ("--avoid", self.avoid)):
            if box.text().strip():
                words += [option, box.text().strip()]
        mine = self._mine()
        if mine and self.mine.isChecked():
            sides = self._state.node("source"), self._state.node("reference")
            path = folder / _PICKS
            with storage_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
            pair_list.to_record(to_files(mine, *sides), None, *self.files()).save(path)
            words += ["--picks", str(path)]
        return words

    def refresh(self) -> None:
        """Count the person's own pairs too."""
        super().refresh()
        many = len(self._mine())
        self.mine.setText(f"keep my own of the page Pairs ({many})" if many else "none of the page Pairs is my own yet")
        self.mine.setEnabled(many > 0)

    def fill(self, folder: Path) -> None:
        """The pairs."""
        found = load_selection(folder / "pairs.json")
        for pair in found.pairs:
            why = "; ".join(text for text in (pair.reason, *pair.adds) if text)
            flags = ("yes" if pair.held_out else "", "yes" if pair.by_hand else "")
            self.put_row((pair.source, pair.reference, *flags, pair.scope, why), pair.source)
        for entry in found.rejected:
            frames = f"{entry['source']}-{entry['last']}" if "last" in entry else entry.get("source", "")
            self.put_row((frames, "", "passed over", "", "", entry.get("reason", "")), entry.get("source"))
        self.fit_columns()
        uncovered = [f"{scope.name}: {', '.join(scope.uncovered)} not covered." for scope in found.scopes if scope.uncovered]
        self.put_notes("\n".join([*found.advice, *uncovered]))

    @shown
    def take(self) -> None:
        """Fill the table of pairs. What a person changed there meanwhile stays."""
        self._take()

    @shown
    def use(self) -> Any:
        """Fill the table, and give the pairs to the training."""
        self._take()
        return self._train()

    def _take(self) -> None:
        found = pair_list.from_record(load_selection(self.record()))
        pairs = to_project(found.pairs, self._state.node("source"), self._state.node("reference"))
        merged = {pair.source: pair for pair in pairs}
        for own in self._mine():
            new = merged.get(own.source, own)
            same = (new.by_hand, new.reference, new.held_out) == (True, own.reference, own.held_out)
            merged[own.source] = dataclasses.replace(new, reason=own.reason or new.reason) if same else own
        self._pairs.take(pair_list.PairList(list(merged.values()), found.record))

    def _mine(self) -> list[Pair]:
        return [pair for pair in self._pairs.pairs() if pair.by_hand]


class AlignTab(CommandTab):
    """How the reference lies on the source."""

    command = "align"
    intro = (
        "Lays the reference onto the source, frame by frame. Rejected frames are listed with the reason; correct them by hand."
    )
    headers = ("source", "reference", "verdict", "left, px", "why")

    def __init__(self, state: PanelState) -> None:
        super().__init__(state)
        self.frames = QtWidgets.QLineEdit()
        self.frames.setPlaceholderText("all that were matched")
        self.frames.setToolTip("Source frames to align, as 1001-1055 or 1001,1017.")
        self.form.addRow("Frames", self.frames)
        self.add_actions(
            ("Frames of the pairs", "Align the frames of the page Pairs only.", self.use_pairs),
            ("Use this alignment", "Make a RecoveryAlign with it, and one that cuts the source alike.", self.create),
            ("Update selected", "Load this alignment into the selected RecoveryAlign.", self.update_selected),
        )

    def options(self, folder: Path) -> list[str]:
        """The frames."""
        return ["--frames", self.frames.text().strip()] if self.frames.text().strip() else []

    def fill(self, folder: Path) -> None:
        """What was not aligned first, then the rest."""
        found = load_alignment(folder / "align.json")
        order = {"rejected": 0, "doubtful": 1, "aligned": 2}
        for one in sorted(found.frames, key=lambda frame: (order[frame.verdict], frame.source)):
            left = "" if one.residual_px is None else f"{one.residual_px:.2f}"
            self.put_row((one.source, one.reference, one.verdict, left, one.reason), one.source)
        self.fit_columns()
        self.put_notes(align.summary(found))

    @shown
    def use_pairs(self) -> None:
        """Take the frames of the pairs."""
        if not self._state.pairs:
            raise HostError("There are no pairs yet; choose some on the tab Select or on the page Pairs.")
        files = to_files(self._state.pairs, self._state.node("source"), self._state.node("reference"))
        self.frames.setText(format_frames(pair.source for pair in files))

    @shown
    def create(self) -> Any:
        """Make the nodes; the pages that follow take them as the branches. Returns the reference's."""
        path = self.record()
        made = align.create(load_alignment(path), path, self._state.timed("source"), self._state.timed("reference"))
        self._state.lay(source=made[1], reference=made[0])
        return made[0]

    @shown
    def update_selected(self) -> Any:
        """Load into the selected node."""
        path, node = self.record(), selected_node(align.CLASS)
        align.apply(node, load_alignment(path), path)
        return node


class CuratePage(QtWidgets.QWidget):
    """The four tabs, in the order of the work. ``pairs`` is the table of the page Pairs, ``train`` gives it to a training."""

    def __init__(self, state: PanelState, pairs: Any, train: Callable[[], Any]) -> None:
        super().__init__()
        self.tabs = (AnalyseTab(state), MatchTab(state), SelectTab(state, pairs, train), AlignTab(state))
        self._book = QtWidgets.QTabWidget()
        for tab, name in zip(self.tabs, ("Analyse", "Match", "Select", "Align")):
            self._book.addTab(tab, name)
        self._book.currentChanged.connect(lambda number: self.tabs[number].refresh())
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(self._book)

    def go(self, number: int) -> None:
        """Show a tab."""
        self._book.setCurrentIndex(number)

    def refresh(self) -> None:
        """Look at the folder of the shown tab."""
        self.tabs[self._book.currentIndex()].refresh()

    def stop(self) -> None:
        """Stop looking; the commands go on."""
        for tab in self.tabs:
            tab.stop()
