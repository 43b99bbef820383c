"""A whole page in one file: styles, scripts and data are inline, and it may load nothing."""

from collections.abc import Sequence
import html
import importlib.resources
import json
from typing import Any

DATA_ID = "page-data"

# What the page is not given in itself, the browser refuses to load.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def document(
    *, title: str, body: str, data: Any, styles: Sequence[tuple[str, str]], scripts: Sequence[tuple[str, str]]
) -> str:
  """The HTML of a page.

  Args:
    body: HTML.
    data: JSON that the scripts find in the element `DATA_ID`.
    styles, scripts: (package, file name) of what follows the theme and the pieces that all pages share.
  """
  css = "".join(_resource(*name) for name in (("next_jax.pages", "theme.css"), *styles))
  code = "".join(_resource(*name) for name in (("next_jax.pages", "pieces.js"), *scripts))
  return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{html.escape(title)}</title>
<style>
{css}</style>
</head>
<body>
<main>
{body}
</main>
<script type="application/json" id="{DATA_ID}">{embed_json(data)}</script>
<script>
{code}</script>
</body>
</html>
"""


def embed_json(value: Any) -> str:
  """JSON that can stand inside a `<script>` element: nothing in it can end the element or begin a comment."""
  text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
  return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _resource(package: str, name: str) -> str:
  return importlib.resources.files(package).joinpath(name).read_text(encoding="utf-8")
