"""How `make docs` turns these pages into a site: Sphinx with MyST, every warning an error."""

import sys
import tomllib
from pathlib import Path

from sphinx.ext.autodoc.mock import _MockObject

# Read from the file: the package is not installed for the site.
_about = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
project, release = _about["name"], _about["version"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# The reference of the Python API is made of docstrings. What the package needs is not installed for it.
sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
autodoc_mock_imports = [
    "jaxtyping", "jinja2", "matplotlib", "numpy", "pandas", "PIL", "pyarrow", "rich", "safetensors", "scipy", "seaborn",
    "statsmodels", "timm", "torch", "torchvision",
]  # fmt: skip
# Annotations such as `Tensor | None`, and constants such as `32 * torch.finfo(...).eps`, are computed on import.
_MockObject.__or__ = _MockObject.__ror__ = _MockObject.__rmul__ = lambda self, other: object
autodoc_typehints = "none"
autodoc_member_order = "bysource"
html_theme = "furo"
html_title = f"{project} {release}"
# Links to headings are checked as links to pages are.
myst_heading_anchors = 3
