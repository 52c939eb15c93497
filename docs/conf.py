"""How Sphinx builds the documentation (`scripts/docs`). What it tells of the code, it asks the code: see `_ext/`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from vibeseater._version import __version__

project = "VibeSeater"
author = "The VibeSeater developers"
project_copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "beyond",
    "docstrings",
    "reference",
]
# search.html is the site's own: searching.md stands for search.md.
exclude_patterns = ["_ext", "search.md"]
# What a console understands beside its language is no fault.
suppress_warnings = ["misc.highlighting_failure"]

# Anchors as a forge makes them, so that a link works in both places.
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

# Docstrings: Google's style, backticks for code.
default_role = "mention"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
html_title = f"VibeSeater {release}"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
