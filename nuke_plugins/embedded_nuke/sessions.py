"""One run of the stand-in: its root, edition, callbacks, plugin path and main thread. There is one at a time, as in Nuke."""

from __future__ import annotations

import os
import queue
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable

from embedded_nuke.graph.formats import Format, standard_formats

if TYPE_CHECKING:
    from embedded_nuke.graph.group import Group
    from embedded_nuke.graph.node import Node
    from embedded_nuke.graph.root import Root

FLAVOURS = ("nuke", "nukex", "studio", "indie", "nc", "assist")
_WITH_NUKEX = frozenset({"nukex", "studio", "indie", "nc"})
Callback = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str, Any]


@dataclass
class Session:
    """The state behind the module ``nuke``.

    Attributes:
        gui: whether it stands for Nuke with an interface.
        flavour: the edition, one of :data:`FLAVOURS`.
        version: as ``16.0v1``.
        formats: the known formats by name.
        generation: counts every change of a knob or a connection, so that caches can notice.
        answers: what ``nuke.ask`` and modal panels will say, first to last; False when there is none left.
        panels: what was registered for panes, by id: name and class of a widget as text, or "" and what makes the panel.
        viewer_inputs: the input that each Viewer node was told to show.
        executing: whether a render runs.
        messages: everything that was shown or printed by Nuke itself.
        trusted: whether Python and Tcl's ``[python]`` inside loaded scripts may run.
        plugin_path: folders in which gizmos are looked for, the first hit counts.
        args: the command line's words, for ``nuke.rawArgs``.
        remaps: beginnings of file names and what stands in their place (``--remap``).
        startup_files: the init.py or menu.py that runs now, the innermost last.
    """

    gui: bool = False
    flavour: str = "nuke"
    version: str = "16.0v1"
    trusted: bool = False
    plugin_path: list[str] = field(default_factory=list)
    args: tuple[str, ...] = ()
    remaps: list[tuple[str, str]] = field(default_factory=list)
    startup_files: list[str] = field(default_factory=list)
    main_thread: int = field(default_factory=threading.get_ident)
    queue: queue.Queue[Callable[[], None]] = field(default_factory=queue.Queue)
    callbacks: dict[str, list[Callback]] = field(default_factory=dict)
    context: list[tuple[Any, Any]] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    formats: dict[str, Format] = field(default_factory=standard_formats)
    reading: list[tuple[int, float]] = field(default_factory=list)
    generation: int = 0
    answers: list[bool] = field(default_factory=list)
    panels: dict[str, tuple[str, Any]] = field(default_factory=dict)
    viewer_inputs: dict[Node, int] = field(default_factory=dict)
    executing: bool = False
    menus: Any = None
    root: Root = field(init=False)
    run_code: Callable[[str, dict[str, Any]], Any] | None = None
    _updated: int = field(default=-1, init=False)

    @property
    def has_nukex(self) -> bool:
        """Whether this edition has NukeX's nodes."""
        return self.flavour in _WITH_NUKEX

    def check_main_thread(self, what: str) -> None:
        """Raise :class:`RuntimeError` off the main thread: in Nuke this crashes or corrupts, sooner or later."""
        if threading.get_ident() != self.main_thread:
            raise RuntimeError(f"{what} was called off the main thread; go through nuke.executeInMainThread.")

    def was_changed(self, script: bool = True) -> None:
        """Note a change of the graph; ``script`` says whether it is one that saving keeps."""
        self.generation += 1
        if script:
            self.root.is_modified = True

    def process_events(self) -> int:
        """Serve what other threads asked the main thread to do, as Nuke's event loop does; returns how many requests.

        Afterwards it is idle: with a GUI ``updateUI`` runs for every node, if something changed since the last time.
        """
        self.check_main_thread("process_events")
        served = 0
        while True:
            try:
                request = self.queue.get_nowait()
            except queue.Empty:
                break
            request()
            served += 1
        if self.gui and self._updated != self.generation:
            self._update_panels()
        return served

    def _update_panels(self) -> None:
        from embedded_nuke.graph.group import everything

        try:
            for node in everything(self.root):
                self.run_callbacks("updateUI", node)
                try:
                    node.run_hook("updateUI")
                except RuntimeError as error:
                    self.say(str(error))
        finally:
            self._updated = self.generation  # what it changed itself does not call it again

    def callbacks_for(self, kind: str, node: Any) -> list[Callback]:
        """What is registered for a node: first for its class, then for ``*``, each in the order of registration."""
        entries = [entry for entry in self.callbacks.get(kind, []) if entry[4] is None or entry[4] is node]
        return [entry for name in (node.Class(), "*") for entry in entries if entry[3] == name]

    def run_callbacks(self, kind: str, node: Any, knob: Any = None) -> None:
        """Call what is registered for ``kind`` and the node, which is ``nuke.thisNode()`` meanwhile."""
        entries = self.callbacks_for(kind, node)
        if entries:
            self.with_context(node, knob, lambda: [call(*args, **kwargs) for call, args, kwargs, _, _ in entries])

    def file_name(self, name: str, node: Any) -> str:
        """A file's name as it goes to the operating system: filters for the node's class, for ``*``, then ``--remap``.

        Filters run last to first; None leaves the name as it is (Foundry's callbacks module). Assumptions: they see the frame's
        number as ``%04d``, and ``--remap`` comes after them.
        """
        entries = self.callbacks_for("filenameFilter", node)
        for group in ([entry for entry in entries if entry[3] != "*"], [entry for entry in entries if entry[3] == "*"]):
            for call, args, kwargs, _, _ in reversed(group):
                changed = self.with_context(node, None, lambda: call(name, *args, **kwargs))  # noqa: B023 - called at once
                name = name if changed is None else str(changed)
        return self.remapped(name)

    def remapped(self, name: str) -> str:
        """A name with its beginning replaced by the first pair of ``--remap`` that fits (assumption: no other one follows)."""
        for old, new in self.remaps:
            if name.startswith(old):
                return new + name[len(old) :]
        return name

    def with_context(self, node: Any, knob: Any, call: Callable[[], Any]) -> Any:
        """Call something while ``nuke.thisNode()`` and ``nuke.thisKnob()`` are these."""
        self.context.append((node, knob))
        try:
            return call()
        finally:
            self.context.pop()

    def find_plugin(self, file_name: str) -> str | None:
        """The whole path of a file on the plugin path, with forward slashes; None if there is none."""
        for folder in self.plugin_path:
            path = os.path.join(folder, file_name)
            if os.path.isfile(path):
                return path.replace("\\", "/")
        return None

    def say(self, text: str) -> None:
        """What Nuke prints in the terminal: remembered, and printed."""
        self.messages.append(text)
        print(text, flush=True)


_current: Session | None = None


def current() -> Session:
    """The running session. Raises :class:`RuntimeError` when there is none."""
    if _current is None:
        raise RuntimeError("The stand-in is not running; call embedded_nuke.install() first.")
    return _current


def set_current(session: Session | None) -> None:
    """Make a session the running one, or none."""
    global _current
    _current = session
