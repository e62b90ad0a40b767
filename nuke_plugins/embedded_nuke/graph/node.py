"""Nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from embedded_nuke import sessions
from embedded_nuke.graph.knob import Knob, PythonKnob, TabKnob
from embedded_nuke.graph.knob_types import make_knob
from embedded_nuke.graph.scope import NodeScope
from embedded_nuke.script.commands import KnobLine
from embedded_nuke.table.table import ClassSpec, KnobSpec, class_spec

if TYPE_CHECKING:
    from embedded_nuke.graph.group import Group

_NAME = KnobSpec("name", "String_Knob", "")
_TRIGGERED_BY_FILE_TYPE = "file_type"
_OF_A_CLONE = ("name", "selected", "xpos", "ypos")  # all other knobs of a clone are its original's
_INPUTS, _HIDDEN_INPUTS = 0x1, 0x2
_NOT_OF_THE_SCRIPT = ("frame", "selected")  # nobody is asked to save a script because of them


class Node:
    """A node of a known class. Unknown classes, knobs and values raise, as the stand-in promises."""

    def __init__(self, class_name: str, group: Group | None, name: str = "") -> None:
        self.session = sessions.current()
        self._check("creating a node")
        self._spec: ClassSpec = class_spec(class_name)
        if self._spec.nukex and not self.session.has_nukex:
            raise RuntimeError(f"{class_name} needs NukeX; this is {self.session.flavour}. A node of plain Nuke has to do it.")
        self._class = class_name
        self.group = group
        self._inputs: list[Node | None] = []
        self._dependents: list[Node] = []
        self.unknown: list[KnobLine] = []
        self.clone_of: Node | None = None
        self.is_trusted = True
        self._loading = False
        self._changing: list[str] = []
        self._shows_panel = False
        self._knobs: dict[str, Knob] = {}
        self._knobs["name"] = self._adopt(make_knob(class_name, _NAME))
        for spec in self._spec.knobs.values():
            if spec.name != "name":
                self._knobs[spec.name] = self._adopt(make_knob(class_name, spec))
        if group is not None:
            self._knobs["name"].read_words((group.free_name(name or class_name, numbered=not name),))
            group.add(self)

    # Names and place.

    def Class(self) -> str:
        """The class."""
        return self._class

    def name(self) -> str:
        """The name in its group."""
        self._check("Node.name")
        return str(self._knobs["name"]._text)  # type: ignore[attr-defined]

    def fullName(self) -> str:
        """``Group1.Blur1``."""
        outer = self.group
        return f"{outer.fullName()}.{self.name()}" if outer is not None and outer.group is not None else self.name()

    def setName(self, name: str, uncollide: bool = True, updateExpressions: bool = False) -> None:
        """Name it; a name that is taken gets a number. Raises :class:`ValueError` for letters that names cannot have."""
        self._check("Node.setName")
        if not name or not all(letter.isalnum() or letter == "_" for letter in name) or name[0].isdigit():
            raise ValueError(f"'{name}' cannot name a node; use letters, digits and underscores, and no digit in front.")
        if self.group is not None and name != self.name():
            name = self.group.free_name(name, numbered=False, node=self)
        self._knobs["name"].read_words((name,))

    def parent(self) -> Group | None:
        """The group it is in."""
        return self.group

    def xpos(self) -> int:
        """Left edge in the node graph."""
        return int(self["xpos"].value())

    def ypos(self) -> int:
        """Upper edge in the node graph; downwards."""
        return int(self["ypos"].value())

    def setXpos(self, x: int) -> None:
        """Move it."""
        self["xpos"].setValue(int(x))

    def setYpos(self, y: int) -> None:
        """Move it."""
        self["ypos"].setValue(int(y))

    def setXYpos(self, x: int, y: int) -> None:
        """Move it."""
        self.setXpos(x)
        self.setYpos(y)

    def screenWidth(self) -> int:
        """Width in the node graph; a guess, since nothing is drawn."""
        return 12 if self._class == "Dot" else 80

    def screenHeight(self) -> int:
        """Height in the node graph; a guess, since nothing is drawn."""
        return 12 if self._class == "Dot" else 18

    # Knobs.

    def knob(self, name: str, followLink: bool = False) -> Knob | None:
        """The knob of that name, or None."""
        self._check("Node.knob")
        return self.own_knob(name)

    def own_knob(self, name: str) -> Knob | None:
        """The same without asking which thread this is; old names find the knob too. A clone shares its original's."""
        if self.clone_of is not None and name not in _OF_A_CLONE:
            return self.clone_of.own_knob(name)
        return self._knobs.get(self._spec.aliases.get(name, name))

    def __getitem__(self, name: str) -> Knob:
        found = self.knob(name)
        if found is None:
            raise NameError(f"knob {name} does not exist on {self.fullName()} ({self._class})")
        return found

    def __contains__(self, name: str) -> bool:
        return self.own_knob(name) is not None

    def knobs(self) -> dict[str, Knob]:
        """All knobs by name."""
        self._check("Node.knobs")
        if self.clone_of is None:
            return dict(self._knobs)
        return {**self.clone_of._knobs, **{name: self._knobs[name] for name in _OF_A_CLONE if name in self._knobs}}

    def allKnobs(self) -> list[Knob]:
        """All knobs."""
        return list(self.knobs().values())

    def numKnobs(self) -> int:
        """How many knobs there are."""
        return len(self.knobs())

    def addKnob(self, knob: Knob) -> None:
        """Add a knob of one's own. Raises :class:`ValueError` when the name is taken."""
        self._check("Node.addKnob")
        home = self.clone_of or self
        if knob.name() in home._knobs and not isinstance(knob, TabKnob):
            raise ValueError(f"{self.fullName()} has a knob '{knob.name()}' already.")
        knob.is_user = True
        knob.default_words = knob.words()
        home._knobs[knob.name()] = home._adopt(knob)
        self.session.was_changed()

    def removeKnob(self, knob: Knob) -> None:
        """Remove a knob of one's own. Raises :class:`ValueError` for a knob of the class."""
        self._check("Node.removeKnob")
        home = self.clone_of or self
        if not knob.is_user or home._knobs.get(knob.name()) is not knob:
            raise ValueError(f"{self.fullName()}.{knob.name()} is no knob that could be removed.")
        del home._knobs[knob.name()]
        self.session.was_changed()

    def knob_was_changed(self, knob: Knob) -> None:
        """Run what follows a change: file type knobs appear, callbacks are called. Not while a script is read."""
        if knob.name() == _TRIGGERED_BY_FILE_TYPE and self._spec.file_type_knobs:
            self._show_file_type(str(knob._text))  # type: ignore[attr-defined]
        self.session.was_changed(script=knob.name() not in _NOT_OF_THE_SCRIPT)
        if self._loading or knob.name() in self._changing:
            return
        self._changing.append(knob.name())
        try:
            self.session.run_callbacks("knobChanged", self, knob)
            self.run_hook("knobChanged", knob)
        finally:
            self._changing.pop()

    def _show_file_type(self, file_type: str) -> None:
        for knobs in self._spec.file_type_knobs.values():
            for name in knobs:
                self._knobs.pop(name, None)
        for spec in self._spec.file_type_knobs.get(file_type, {}).values():
            self._knobs[spec.name] = self._adopt(make_knob(self._class, spec))

    def run_hook(self, name: str, knob: Knob | None = None) -> None:
        """Run the code in the knob ``onCreate``, ``knobChanged``, ``beforeRender`` …, if there is any."""
        hook = self.own_knob(name)
        if isinstance(hook, PythonKnob) and hook._text:
            self.session.with_context(self, knob, lambda: self.run_code(hook._text, knob, hook.from_script))

    def run_code(self, code: str, knob: Knob | None, from_script: bool, expression: bool = False) -> Any:
        """Run Python that stands in a knob. Raises :class:`RuntimeError` if it came with a script that is not trusted."""
        if from_script and not self.session.trusted:
            where = f"{self.fullName()}.{knob.name() if knob is not None else ''}"
            raise RuntimeError(f"{where} holds Python that came with a script; start with --trust to let it run.")
        if self.session.run_code is None:
            raise RuntimeError("Python of knobs is not run here.")
        run = self.session.run_code
        return self.session.with_context(self, knob, lambda: run(code, {"expression": expression, "where": self.fullName()}))

    def scope(self, frame: float, knob: Knob | None, index: int = 0) -> NodeScope:
        """What names mean in one of its knobs."""
        return NodeScope(self, knob, frame, index)

    def find_knob(self, path: str) -> Knob | None:
        """The knob that ``Node.knob`` names, seen from inside this node or beside it."""
        name, _, knob = path.rpartition(".")
        if not name:
            return self.own_knob(knob)
        node: Any = self
        for word in name.split("."):
            if word == "parent":
                node = node.group
            elif word != "this":
                inside = node.child(word) if hasattr(node, "child") else None
                node = inside or (node.group.child(word) if node.group is not None else None)
            if node is None:
                return None
        found: Knob | None = node.own_knob(knob)
        return found

    def readKnobs(self, text: str) -> None:
        """Set knobs from a script's lines. Raises :class:`NameError` for a knob that is not there."""
        from embedded_nuke.graph.load import apply_lines, lines_of

        self._check("Node.readKnobs")
        apply_lines(self, lines_of(text), strict=True)
        self.session.was_changed()

    def writeKnobs(self, flags: int = 8) -> str:
        """The knobs that are not default, as a script's lines."""
        from embedded_nuke.graph.save import knob_lines

        return "\n".join(" ".join((line.name, *line.words)) for line in knob_lines(self))

    # Connections.

    def inputs(self) -> int:
        """One more than the highest connected input."""
        self._check("Node.inputs")
        count = len(self._inputs)
        while count and self._inputs[count - 1] is None:
            count -= 1
        return count

    def maxInputs(self) -> int:
        """The most inputs it can have."""
        return self._spec.inputs[1]

    def minInputs(self) -> int:
        """The inputs it shows when fresh."""
        return self._spec.inputs[0]

    def maximumInputs(self) -> int:
        """The most inputs it can have."""
        return self.maxInputs()

    def input(self, index: int) -> Node | None:
        """The node connected to an input, or None."""
        self._check("Node.input")
        return self._inputs[index] if 0 <= index < len(self._inputs) else None

    def setInput(self, index: int, node: Node | None) -> bool:
        """Connect an input, or with None disconnect it; False if that cannot be."""
        self._check("Node.setInput")
        if not 0 <= index < self.maxInputs() or (node is not None and (node is self or node.group is not self.group)):
            return False
        if node is not None and self in _upstream(node):
            return False  # it would feed itself
        self.connect(index, node)
        self.session.was_changed()
        return True

    def connect(self, index: int, node: Node | None) -> None:
        """Connect without asking whether it makes sense: the loader's way."""
        while len(self._inputs) <= index:
            self._inputs.append(None)
        old = self._inputs[index]
        self._inputs[index] = node
        if old is not None and old not in self._inputs:
            old._dependents.remove(self)
        if node is not None and self not in node._dependents:
            node._dependents.append(self)

    def connectInput(self, index: int, node: Node | None) -> bool:
        """Connect the first free input from ``index`` on; False if there is none."""
        while self.input(index) is not None:
            index += 1
        return self.setInput(index, node)

    def optionalInput(self) -> int:
        """The number of the first optional input: the mask where the class has one, else the first beyond the least."""
        return self.minInputs() - ("maskChannelMask" in self._spec.knobs)

    def dependencies(self, what: int = 0xFF) -> list[Node]:
        """The nodes that it reads through connections, each once; ``what`` as for :meth:`dependent`."""
        self._check("Node.dependencies")
        found = dict.fromkeys(node for node in self._inputs if node is not None)
        return list(found) if self._is_asked(what) else []

    def dependent(self, what: int = 0xFF, forceEvaluate: bool = True) -> list[Node]:
        """The nodes that read it through connections: ``nuke.INPUTS`` for those drawn, ``HIDDEN_INPUTS`` for those hidden.

        Raises:
            ValueError: only expressions or links are asked for, which are not looked through here.
        """
        self._check("Node.dependent")
        return [node for node in self._dependents if node._is_asked(what)]

    def _is_asked(self, what: int) -> bool:
        """Whether its connections, drawn or hidden, are among ``what``."""
        if not what & (_INPUTS | _HIDDEN_INPUTS):
            raise ValueError("The stand-in follows connections only; ask for nuke.INPUTS or nuke.HIDDEN_INPUTS too.")
        hidden = self.own_knob("hide_input")
        return bool(what & (_HIDDEN_INPUTS if hidden is not None and hidden.bool_at(self._now()) else _INPUTS))

    def disconnect_all(self) -> None:
        """Take it out of every connection."""
        for index in range(len(self._inputs)):
            self.connect(index, None)
        for other in list(self._dependents):
            for index, node in enumerate(other._inputs):
                if node is self:
                    other.connect(index, None)

    # State.

    def isSelected(self) -> bool:
        """Whether it is selected."""
        return bool(self._knobs["selected"].value()) if "selected" in self._knobs else False

    def setSelected(self, selected: bool) -> None:
        """Select it or not."""
        if "selected" in self._knobs:
            self._knobs["selected"].setValue(bool(selected))

    def showControlPanel(self, forceFloat: bool = False) -> None:
        """Open its panel; there is none to see."""
        self._check("Node.showControlPanel")
        self._shows_panel = True

    def hideControlPanel(self) -> None:
        """Close its panel."""
        self._shows_panel = False

    def shown(self) -> bool:
        """Whether its panel is open."""
        return self._shows_panel

    def isClone(self) -> bool:
        """Whether it is a clone."""
        return self.clone_of is not None

    def clones(self) -> int:
        """How many clones it has."""
        group = self.group
        return sum(node.clone_of is self for node in group.node_list) if group is not None else 0

    def error(self) -> bool:
        """Whether it cannot be rendered at the current frame."""
        from embedded_nuke.graph.pictures import fails

        self._check("Node.error")
        return fails(self)

    def hasError(self) -> bool:
        """Whether it cannot be rendered at the current frame."""
        return self.error()

    def treeHasError(self) -> bool:
        """Whether it, or something it reads, cannot be rendered at the current frame."""
        return self.error()

    def forceValidate(self) -> None:
        """Nothing is stale here, so there is nothing to do."""

    # Pictures: see graph.pictures.

    def image_value(self, what: str, frame: float) -> float:
        """``width``, ``height``, ``pixel_aspect``, ``first_frame``, ``last_frame``, ``bbox.x`` … of its picture."""
        from embedded_nuke.graph.pictures import image_value

        return image_value(self, what, frame)

    def width(self) -> int:
        """Width of its format in pixels."""
        return int(self.image_value("width", self._now()))

    def height(self) -> int:
        """Height of its format in pixels."""
        return int(self.image_value("height", self._now()))

    def pixelAspect(self) -> float:
        """Pixel aspect of its format."""
        return self.image_value("pixel_aspect", self._now())

    def format(self) -> Any:
        """Its format, a ``Format``."""
        from embedded_nuke.graph.pictures import format_of

        return format_of(self, self._now())

    def bbox(self) -> Any:
        """Its data window: ``x()``, ``y()``, ``w()``, ``h()``."""
        from embedded_nuke.graph.pictures import bbox_of

        return bbox_of(self, self._now())

    def channels(self) -> list[str]:
        """Its channels."""
        from embedded_nuke.graph.pictures import channels_of

        return channels_of(self, self._now())

    def metadata(self, key: str | None = None, time: float | None = None, view: str | None = None) -> Any:
        """All metadata, or the value of one key (None if absent), at a frame."""
        from embedded_nuke.graph.pictures import metadata_of

        found = metadata_of(self, self._now() if time is None else time)
        return found if key is None else found.get(key)

    def sample(self, channel: str, x: float, y: float, dx: float = 1.0, dy: float = 1.0, frame: float | None = None) -> float:
        """The mean of a channel over a box of dx by dy pixels around (x, y)."""
        from embedded_nuke.graph.pictures import sample

        return sample(self, channel, (x, y, dx, dy), self._now() if frame is None else frame)

    def firstFrame(self) -> int:
        """First frame of its range."""
        return int(self.image_value("first_frame", self._now()))

    def lastFrame(self) -> int:
        """Last frame of its range."""
        return int(self.image_value("last_frame", self._now()))

    def frameRange(self) -> Any:
        """Its range, a ``FrameRange``."""
        from embedded_nuke.api.frame_ranges import FrameRange

        return FrameRange(self.firstFrame(), self.lastFrame(), 1)

    def _now(self) -> float:
        return float(self.session.root.frame())

    def _adopt(self, knob: Knob) -> Knob:
        knob._node = self
        return knob

    def _check(self, what: str) -> None:
        self.session.check_main_thread(what)

    def __repr__(self) -> str:
        return f"<{self._class} {self.fullName()}>"

    def __bool__(self) -> bool:
        return True


def _upstream(node: Node) -> Sequence[Node]:
    """The node and all that it reads through connections."""
    seen: list[Node] = []
    todo: list[Node] = [node]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.append(one)
            todo += [other for other in one._inputs if other is not None]
    return seen
