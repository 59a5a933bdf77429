"""Why does a loss differ? The simplest combination of known choices and mistakes that reproduces it, or `unexplained`.

Five stages, each a module: `formula` reads what is computed for single elements, by trying a vocabulary (`binary`,
`multiclass`) in order of the number of changes and by measuring a factor where no option fits (`measured`); `batches`
reads the reduction and the labels; `slope` holds the gradient against the value that was found; `limits` goes where
floating point ends; `conduct` watches arguments, state, shapes and dtypes. A combination counts only if it reproduces
every probe.
"""

from focalbench_suite.suites.explainer.explain import CannotAnswer, Explanation, explain

__all__ = ["CannotAnswer", "Explanation", "explain"]
