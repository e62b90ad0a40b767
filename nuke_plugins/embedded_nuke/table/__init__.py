"""What is known of Nuke's node classes: names, knobs, defaults, values of enumerations. See ``knobs.json`` for its sources."""
