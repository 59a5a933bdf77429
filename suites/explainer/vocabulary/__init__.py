"""What people get wrong or choose differently in a loss, as options that can be tried one by one and together.

A loss is weight x modulation x entropy of an element, seen in a context, reduced over a batch. For each of these there
is a list of options. An option is an expression (`expression.py`), from which both its formula and its values come, and
the changes that it makes: a kind and a code, of which `words` makes the sentence.

An entry is one line in a table of the room whose losses it belongs to: ``code: expression`` in `sigmoid`, `softmax` or
`bins` (`shapes.py` where it is a shape of the modulating factor, `reduction.py` where it is a normaliser), and one
sentence in `words`. What can happen to any parameter (ignored, doubled, used as a factor) is derived by
`parameters.py`. The tests turn every entry into a loss, and fail where it is not explained as itself.
"""
