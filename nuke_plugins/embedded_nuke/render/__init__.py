"""The picture half of the stand-in: what the nodes of a script compute.

Whole frames in float32, no tiles and no clamping but where a node clamps; NaN and infinities pass. NumPy does the arithmetic,
OpenImageIO files, text and medians, PyOpenColorIO the colour spaces of a config. Every operation's docstring names the source
of its maths; what is an assumption about Nuke is marked so. Start at :mod:`embedded_nuke.render.engine`.
"""
