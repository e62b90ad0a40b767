"""``nuke.menu``: menus are kept as data, so that a test or a person can see and invoke what was registered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_NAMES = ("Nuke", "Nodes", "Pane", "Properties", "Animation", "Viewer", "Node Graph", "Axis")


class MenuItem:
    """A command in a menu."""

    def __init__(self, name: str, command: Any, shortcut: str, icon: str, tooltip: str) -> None:
        self._name = name
        self._command = command
        self._shortcut = shortcut
        self._icon = icon
        self._tooltip = tooltip
        self._enabled = True

    def name(self) -> str:
        """What the menu shows."""
        return self._name

    def script(self) -> Any:
        """What it does: a function or code."""
        return self._command

    def shortcut(self) -> str:
        """Its key."""
        return self._shortcut

    def icon(self) -> str:
        """Its icon's file."""
        return self._icon

    def setEnabled(self, enabled: bool) -> None:
        """Grey it out or not."""
        self._enabled = bool(enabled)

    def invoke(self) -> Any:
        """Choose it. Code in a text is run in ``__main__``."""
        if isinstance(self._command, str):
            from embedded_nuke.api.python_code import run_knob_code

            return run_knob_code(self._command, {"where": self._name})
        return self._command() if callable(self._command) else None


class Menu:
    """A menu, or a toolbar."""

    def __init__(self, name: str = "", icon: str = "") -> None:
        self._name = name
        self._icon = icon
        self._items: list[Menu | MenuItem] = []

    def name(self) -> str:
        """What the menu bar shows."""
        return self._name

    def items(self) -> list[Menu | MenuItem]:
        """What it holds."""
        return list(self._items)

    def addMenu(self, name: str, icon: str = "", tooltip: str = "", index: int = -1) -> Menu:
        """Add a menu, or find the one of that name; ``A/B`` is B inside A."""
        first, _, rest = name.partition("/")
        found = next((item for item in self._items if isinstance(item, Menu) and item.name() == first), None)
        if found is None:
            found = Menu(first, icon if not rest else "")
            self._items.insert(len(self._items) if index < 0 else index, found)
        return found.addMenu(rest, icon, tooltip, index) if rest else found

    def addCommand(
        self,
        name: str,
        command: str | Callable[[], Any] | None = None,
        shortcut: str = "",
        icon: str = "",
        tooltip: str = "",
        index: int = -1,
        readonly: bool = False,
        node: bool = False,
        shortcutContext: int = 0,
    ) -> MenuItem:
        """Add a command; ``A/B`` is B inside A. One of the same name is replaced."""
        path, _, last = name.rpartition("/")
        home = self.addMenu(path) if path else self
        item = MenuItem(last, command, shortcut or "", icon, tooltip)
        home._items = [entry for entry in home._items if not (isinstance(entry, MenuItem) and entry.name() == last)]
        home._items.insert(len(home._items) if index < 0 else index, item)
        return item

    def addSeparator(self, index: int = -1) -> MenuItem:
        """Add a line."""
        item = MenuItem("", None, "", "", "")
        self._items.insert(len(self._items) if index < 0 else index, item)
        return item

    def findItem(self, name: str) -> Menu | MenuItem | None:
        """The item of that name, ``A/B`` for one inside A; None if there is none."""
        first, _, rest = name.partition("/")
        found = next((item for item in self._items if item.name() == first), None)
        return found.findItem(rest) if rest and isinstance(found, Menu) else (found if not rest else None)

    def menu(self, name: str) -> Menu | None:
        """The menu of that name, or None."""
        found = self.findItem(name)
        return found if isinstance(found, Menu) else None

    def removeItem(self, name: str) -> None:
        """Remove the item of that name."""
        self._items = [item for item in self._items if item.name() != name]


class Menus:
    """The menus of a session."""

    def __init__(self) -> None:
        self._menus = {name: Menu(name) for name in _NAMES}

    def menu(self, name: str) -> Menu:
        """One of Nuke's menus. Raises :class:`RuntimeError` for another name."""
        if name not in self._menus:
            raise RuntimeError(f"There is no menu '{name}'; Nuke has {', '.join(_NAMES)}.")
        return self._menus[name]
