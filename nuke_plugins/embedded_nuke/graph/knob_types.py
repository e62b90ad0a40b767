"""Which class a knob has: by its kind in the table of node classes, or by the number in ``addUserKnob``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from embedded_nuke.graph import knob as text
from embedded_nuke.graph import number_knobs as numbers
from embedded_nuke.graph.values import KnobValueError, read_components
from embedded_nuke.script.words import split_words, value_of, word_of
from embedded_nuke.table.table import KnobSpec


class LinkKnob(text.Knob):
    """A knob that stands for another: ``T Node.knob``."""

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)
        self.target = ""

    def setLink(self, target: str) -> None:
        """Name the knob it stands for."""
        self.target, self.definition = target, ""

    def makeLink(self, node: str, knob: str) -> None:
        """Name node and knob it stands for."""
        self.setLink(f"{node}.{knob}")

    def getLink(self) -> str:
        """What it stands for."""
        return self.target

    def getLinkedKnob(self) -> text.Knob | None:
        """The knob it stands for; None if there is none of that name."""
        return self._node.find_knob(self.target) if self._node is not None and self.target else None

    def value(self, *arguments: Any) -> Any:
        """The other's value."""
        return self._linked().value(*arguments)

    def setValue(self, *arguments: Any) -> bool:
        """Set the other's value."""
        return bool(self._linked().setValue(*arguments))

    def text_at(self, frame: float) -> str:
        """The other's text."""
        return self._linked().text_at(frame)

    def number_at(self, frame: float, index: int = 0) -> float:
        """The other's number."""
        return self._linked().number_at(frame, index)

    def numbers_at(self, frame: float) -> list[float]:
        """The other's numbers."""
        return self._linked().numbers_at(frame)

    def _linked(self) -> text.Knob:
        found = self.getLinkedKnob()
        if found is None:
            raise KnobValueError(f"{self.fullyQualifiedName()} links to '{self.target}', which does not exist")
        return found


_KINDS: dict[str, type[text.Knob]] = {
    "Array_Knob": numbers.ArrayKnob,
    "Double_Knob": numbers.DoubleKnob,
    "Int_Knob": numbers.IntKnob,
    "Boolean_Knob": numbers.BooleanKnob,
    "Disable_Knob": numbers.BooleanKnob,
    "XY_Knob": numbers.XYKnob,
    "UV_Knob": numbers.XYKnob,
    "WH_Knob": numbers.WHKnob,
    "XYZ_Knob": numbers.XYZKnob,
    "Color_Knob": numbers.ColorKnob,
    "AColor_Knob": numbers.AColorKnob,
    "BBox_Knob": numbers.BBoxKnob,
    "Box3_Knob": numbers.BBoxKnob,
    "ColorChip_Knob": numbers.ArrayKnob,
    "Format_Knob": numbers.FormatKnob,
    "Enumeration_Knob": text.EnumerationKnob,
    "String_Knob": text.StringKnob,
    "EvalString_Knob": text.EvalStringKnob,
    "Multiline_Eval_String_Knob": text.MultilineKnob,
    "File_Knob": text.FileKnob,
    "Channel_Knob": text.ChannelKnob,
    "ChannelMask_Knob": text.ChannelKnob,
    "PythonKnob": text.PythonKnob,
    "PyScript_Knob": text.ButtonKnob,
    "Script_Knob": text.ButtonKnob,
    "Text_Knob": text.TextLineKnob,
    "Tab_Knob": text.TabKnob,
    "PyCustom_Knob": text.CustomKnob,
    "Link_Knob": LinkKnob,
    "List_Knob": text.ListKnob,
}
for _name, _class in reversed(list(_KINDS.items())):  # the first name of a class is its own
    _class.nuke_name = _name
# addUserKnob's numbers, after public files; those left out are kept as they come.
USER_KINDS: dict[int, str] = {
    1: "String_Knob", 2: "File_Knob", 3: "Int_Knob", 4: "Enumeration_Knob", 6: "Boolean_Knob", 7: "Double_Knob",
    8: "Array_Knob", 11: "Channel_Knob", 12: "XY_Knob", 13: "XYZ_Knob", 14: "WH_Knob", 15: "BBox_Knob", 16: "Array_Knob",
    17: "Format_Knob", 18: "Color_Knob", 19: "AColor_Knob", 20: "Tab_Knob", 22: "PyScript_Knob", 26: "Text_Knob",
    30: "UV_Knob", 32: "Script_Knob", 35: "Script_Knob", 40: "ChannelMask_Knob", 41: "Link_Knob",
    43: "Multiline_Eval_String_Knob", 52: "PyCustom_Knob", 68: "Enumeration_Knob", 78: "Array_Knob", 83: "Enumeration_Knob",
}  # fmt: skip
NUMBERS = {kind: number for number, kind in reversed(list(USER_KINDS.items()))}
_MATRICES = {("ColorMatrix", "matrix"): 3, ("CornerPin2D", "transform_matrix"): 4}
# Their values come from a colour configuration or from the machine, so the table's list is not all there is.
_OPEN_VALUES = ("colorspace", "working_space", "view", "display", "viewerProcess", "monitorOut", "first_part")


def make_knob(class_name: str, spec: KnobSpec) -> text.Knob:
    """A knob of a node class, at its default."""
    side = _MATRICES.get((class_name, spec.name))
    kind = spec.kind if spec.kind in _KINDS else "String_Knob"
    if side is not None:
        rows = [["1" if row == column else "0" for column in range(side)] for row in range(side)]
        made: text.Knob = numbers.MatrixKnob(spec.name)
        made.read_words(["{" + " ".join("{" + " ".join(row) + "}" for row in rows) + "}"])
    elif kind == "Enumeration_Knob":
        made = text.EnumerationKnob(spec.name, None, spec.values)
        made.is_open = not spec.values or any(word in spec.name for word in _OPEN_VALUES)
        if class_name == "Colorspace":
            made.is_open = False
    else:
        made = _KINDS[kind](spec.name)
    made.kind = spec.kind
    if spec.default is not None and side is None:
        _set_default(made, spec.default)
    made.default_words = made.words()
    return made


def _set_default(made: text.Knob, default: str) -> None:
    if isinstance(made, numbers.ArrayKnob) and not isinstance(made, numbers.BooleanKnob):
        made.read_words(["{" + default + "}"] if " " in default else [default])
        if made.size == 1:
            made.size = made.arraySize()
    elif isinstance(made, numbers.FormatKnob) and default == "0":
        pass  # the scan's word for a format that nobody has set
    elif isinstance(made, text.EnumerationKnob):
        made._text = default  # the table's default counts even where its list is of another configuration
    else:
        made.read_words([word_of(default)])


def user_knob(definition: str) -> text.Knob:
    """A knob from the braced word after ``addUserKnob``.

    Raises:
        KnobValueError: there is no number or no name.
    """
    raw = split_words(value_of(definition))
    if not raw or not raw[0].isdigit():
        raise KnobValueError(f"addUserKnob {definition[:60]}: the kind of knob is missing")
    name = value_of(raw[1]) if len(raw) > 1 else ""
    options = _options(raw[2:])
    kind = USER_KINDS.get(int(raw[0]), "String_Knob")
    made = _built(kind, name, options)
    made.kind = kind
    made.is_user = True
    made._label = options.get("l")
    made.setTooltip(options.get("t", ""))
    for flag, bit in (("INVISIBLE", 0x400), ("HIDDEN", 0x400), ("STARTLINE", 0x1000)):
        if f"+{flag}" in options:
            made.setFlag(bit)
        if f"-{flag}" in options:
            made.clearFlag(bit)
    made.default_words = made.words()
    return made


def _built(kind: str, name: str, options: Mapping[str, str]) -> text.Knob:
    if kind == "Enumeration_Knob":
        return text.EnumerationKnob(name, None, [value_of(word) for word in split_words(options.get("M", ""))])
    if kind == "Tab_Knob":
        number = options.get("n", "0")
        return text.TabKnob(name, None, int(number) if number.lstrip("-").isdigit() else 0)
    made = _KINDS[kind](name)
    if isinstance(made, LinkKnob):
        made.setLink(options.get("T", ""))
    elif isinstance(made, text.TextKnob) and "T" in options:
        made.read_words([word_of(options["T"])])
    if isinstance(made, numbers.ArrayKnob) and "R" in options:
        low_high = read_components(["{" + options["R"] + "}"])
        if len(low_high) == 2 and all(isinstance(part, float) for part in low_high):
            made.setRange(*low_high)  # type: ignore[arg-type]
    return made


def _options(raw: Sequence[str]) -> dict[str, str]:
    """``l "Label" t "tip" R min max M {a b} +FLAG``: letters with their values, flags with an empty one."""
    found: dict[str, str] = {}
    at = 0
    while at < len(raw):
        word = raw[at]
        if word[:1] in "+-" and word[1:].isupper():
            found[word] = ""
            at += 1
        elif word == "R" and at + 2 < len(raw):
            found["R"] = f"{raw[at + 1]} {raw[at + 2]}"
            at += 3
        elif at + 1 < len(raw):
            found[word] = value_of(raw[at + 1])
            at += 2
        else:
            at += 1
    return found


def definition_of(made: text.Knob) -> str:
    """The braced word after ``addUserKnob`` for a knob that Python added."""
    parts: list[str] = [str(NUMBERS.get(made.kind, 1)), made.name()]
    if made._label is not None:
        parts += ["l", word_of(made._label)]
    if made.tooltip():
        parts += ["t", word_of(made.tooltip())]
    if isinstance(made, text.EnumerationKnob):
        parts += ["M", "{" + " ".join(word_of(value) for value in made.values()) + "}"]
    elif isinstance(made, LinkKnob):
        parts += ["T", word_of(made.target)]
    elif isinstance(made, (text.ButtonKnob, text.TextLineKnob, text.CustomKnob)):
        parts += ["T", word_of(made._text)]
    elif isinstance(made, text.TabKnob) and made.tab_flag:
        parts += ["n", str(made.tab_flag)]
    elif isinstance(made, numbers.DoubleKnob):
        parts += ["R", f"{made.min():g}", f"{made.max():g}"]
    parts.append("+STARTLINE" if made.getFlag(0x1000) else "-STARTLINE")
    if made.getFlag(0x400):
        parts.append("+INVISIBLE")
    return "{" + " ".join(parts) + "}"


def knob_classes() -> tuple[tuple[str, type[text.Knob]], ...]:
    """Names under which the module ``nuke`` offers knob classes, with the classes.

    A List_Knob is only ever found on a node: the module has no such class.
    """
    return tuple((name, kind) for name, kind in _KINDS.items() if name != "List_Knob")
