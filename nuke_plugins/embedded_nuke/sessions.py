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
        panels: widgets registered for panes, by id: name and class as text.
        messages: everything that was shown or printed by Nuke itself.
        trusted: whether Python and Tcl's ``[python]`` inside loaded scripts may run.
        plugin_path: folders in which gizmos are looked for, the first hit counts.
        args: the command line's words, for ``nuke.rawArgs``.
    """

    gui: bool = False
    flavour: str = "nuke"
    version: str = "16.0v1"
    trusted: bool = False
    plugin_path: list[str] = field(default_factory=list)
    args: tuple[str, ...] = ()
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
    panels: dict[str, tuple[str, str]] = field(default_factory=dict)
    menus: Any = None
    root: Root = field(init=False)
    run_code: Callable[[str, dict[str, Any]], Any] | None = None

    @property
    def has_nukex(self) -> bool:
        """Whether this edition has NukeX's nodes."""
        return self.flavour in _WITH_NUKEX

    def check_main_thread(self, what: str) -> None:
        """Raise :class:`RuntimeError` off the main thread: in Nuke this crashes or corrupts, sooner or later."""
        if threading.get_ident() != self.main_thread:
            raise RuntimeError(f"{what} was called off the main thread; go through nuke.executeInMainThread.")

    def process_events(self) -> int:
        """Serve what other threads asked the main thread to do, as Nuke's event loop does; returns how many requests."""
        self.check_main_thread("process_events")
        served = 0
        while True:
            try:
                request = self.queue.get_nowait()
            except queue.Empty:
                return served
            request()
            served += 1

    def run_callbacks(self, kind: str, node: Any, knob: Any = None) -> None:
        """Call what is registered for ``kind`` and the node's class (or ``*``), the node being ``nuke.thisNode()``."""
        names = {"*", node.Class()} if node is not None else {"*"}
        entries = [entry for entry in self.callbacks.get(kind, []) if entry[3] in names and entry[4] in (None, node)]
        self.with_context(node, knob, lambda: [call(*args, **kwargs) for call, args, kwargs, _, _ in entries])

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
