"""Two film elements made from one clip: a faded 35 mm internegative and a soft 16 mm print, with the truth beside them.

For the demonstration, the tests and the bench. Nothing in the tool imports this package. The usual road::

    path = clip.find_clip(cache_folder)
    write.write_elements(clip.iter_clip(path), Path("demo/elements"), seed=7)
"""
