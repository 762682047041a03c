"""How Sphinx builds docs/ into a site: see `make docs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "SEIL"
extensions = ["myst_parser", "sphinx_copybutton"]
root_doc = "index"
exclude_patterns = ["_site"]
html_theme = "furo"
html_title = "SEIL"
html_show_copyright = False
html_copy_source = False
# They are fetched, which a browser refuses for a file.
html_show_search_summary = False
highlight_language = "none"
html_static_path = ["static"]
html_css_files = ["site.css"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
# Samples of output with an ellipsis in them are no JSON.
suppress_warnings = ["misc.highlighting_failure"]


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", link_diagrams)


def link_diagrams(_app: Sphinx, page: nodes.document) -> None:
    """A scaled image is a link to the image alone, where it can be read at its own size."""
    for image in page.findall(nodes.image):
        image["width"] = "100%"
