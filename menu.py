"""Nuke loads this file with a GUI only. The menu appears once the package's Nuke side is installed beside it."""

import traceback

try:
    import importlib.util

    if importlib.util.find_spec("film_recovery_nuke") is not None:
        import film_recovery_nuke

        film_recovery_nuke.add_menus()
except Exception:  # whatever is wrong here, the artist's Nuke has to start
    print("Film Recovery could not add its menu:")
    traceback.print_exc()
