"""The engine on T5X, for networks that outgrow one machine; nothing else in the project imports T5X."""

import importlib.util

from next_jax import errors

_NEEDED = ("t5x", "airio", "jestimator", "fiddle", "grain", "cached_property")


class T5XMissingError(errors.EngineError, ImportError):
  """T5X, or a package that it needs, is not installed."""


_missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
if _missing:
  raise T5XMissingError(
      f"the T5X engine: {', '.join(_missing)} not installed; T5X is not on PyPI, install it with"
      " `pip install --no-deps -r requirements/t5x.txt`, or use gin_configs/engines/native.gin"
  )
