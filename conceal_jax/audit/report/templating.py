"""Self-contained pages from Jinja2 templates, which escape all that comes in."""

import base64
from pathlib import Path
from typing import Any

import jinja2

from conceal_jax.audit import vocabulary

TEMPLATES = Path(__file__).parent / "templates"


def render(template: Path, **values: Any) -> str:
    """The text of a page.

    Args:
        template: a file; it may extend and import those of `TEMPLATES` and of its own folder.
        values: names that it uses; all must be there.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "base64": _base64,
        "listing": vocabulary.listing,
        "number": vocabulary.number,
        "percent": vocabulary.percent,
    }
    return environment.get_template(template.name).render(values)


def _base64(file: bytes) -> str:
    return base64.b64encode(file).decode("ascii")
