"""How Sphinx builds docs/ into a site: see `make docs`."""

from __future__ import annotations

project = "SEIL"
extensions = ["myst_parser", "sphinx_copybutton"]
root_doc = "index"
exclude_patterns = ["_site"]
html_theme = "furo"
html_title = "SEIL"
html_show_copyright = False
html_copy_source = False
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
# Samples of output with an ellipsis in them are no JSON.
suppress_warnings = ["misc.highlighting_failure"]
