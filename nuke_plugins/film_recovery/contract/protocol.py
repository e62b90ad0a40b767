"""The version of the agreement between Nuke's side and the worker, and how one asks the other for it.

``python -m film_recovery.contract.protocol`` prints one JSON object. It loads nothing but the standard library, so it
answers in a moment, also where the worker's packages are broken.
"""

from __future__ import annotations

import json
import sys

import film_recovery

PROTOCOL = 1


def describe() -> dict[str, object]:
    """``protocol``, ``version`` of Film Recovery, ``python``: what the other side needs to know before it sends work."""
    return {"protocol": PROTOCOL, "version": film_recovery.__version__, "python": sys.version.split()[0]}


if __name__ == "__main__":
    print(json.dumps(describe()))
