"""How `make docs` turns these pages into a site: Sphinx with MyST, every warning an error."""

import tomllib
from pathlib import Path

# Read, not imported: the site needs neither torch nor the package installed.
_about = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
project, release = _about["name"], _about["version"]
extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"{project} {release}"
# Links to headings are checked as links to pages are.
myst_heading_anchors = 3
