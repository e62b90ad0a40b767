"""Nuke loads this file with a GUI only."""

import traceback

try:
    import film_recovery_nuke

    film_recovery_nuke.add_menus()
except Exception:  # whatever is wrong here, the artist's Nuke has to start
    print("Film Recovery could not add its menu:")
    traceback.print_exc()
