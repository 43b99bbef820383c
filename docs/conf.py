"""Sphinx: `python -m sphinx -W -b html docs docs/_build`."""

import pathlib
import re

_SETUP = (pathlib.Path(__file__).resolve().parents[1] / "setup.py").read_text()

project = "next-jax"
author = "The next-jax authors"
release = re.search(r'version="([^"]+)"', _SETUP)[1]

extensions = ["myst_nb", "autoapi.extension", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "tour/README.md"]

html_theme = "sphinx_book_theme"
html_title = "next-jax"

# The notebook is executed by tests/test_tour.py; the pages show its committed outputs.
nb_execution_mode = "off"
# Pages are also read where they lie, so links may lead to files of the repository.
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing", "image.not_readable"]

# The reference is read from the sources, and nothing is imported.
autoapi_dirs = ["../next_jax"]
autoapi_root = "autoapi"
autoapi_keep_files = False
autoapi_options = ["members", "show-module-summary"]
autoapi_add_toctree_entry = False
autoapi_python_class_content = "class"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
