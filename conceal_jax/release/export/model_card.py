"""The model card of a run: what it conceals, what an audit read of it, how to use it, and what it does not promise."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from conceal_jax.attributes import Attribute, Categorical
from conceal_jax.release.trained import Run, model_hash
from conceal_jax.runtime.json_files import read_object
from conceal_jax.version import __version__

Report = Mapping[str, Any]

_TEMPLATE = Path(__file__).with_suffix(".md")
_SOURCES = {"originals": "photos", "codes": "codes", "pictures": "concealed pictures"}


def preprocessing(run: Run) -> dict[str, Any]:
    """How a photo becomes what the encoder reads."""
    return {
        "orientation": "as the camera noted in EXIF",
        "crop": run.config.data.crop,
        "size": run.config.data.image_size,
        "filter": "bilinear, as Pillow's resize",
        "channels": "RGB",
        "type": "uint8",
    }


def read_report(path: Path) -> dict[str, Any] | None:
    """The audit's report.json, if there is one."""
    return read_object(path) if path.is_file() else None


def model_card(run: Run, report: Report | None) -> str:
    """Markdown.

    Args:
        run: a trained run.
        report: the tree of its report.json, if it was audited.
    """
    data, concealed = run.config.data, run.attributes.concealed
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        concealed=_listing(spec.name for spec in concealed),
        details=_details(run),
        attributes=_attributes(run),
        audit=_audit(report) if report else _NOT_AUDITED,
        crop=_CENTER if data.crop == "center" else _WHOLE,
        size=data.image_size,
        latent_dim=run.model.latent_dim,
        example=f'"{concealed[0].name}": {_example(concealed[0])}',
    )


def _example(spec: Attribute) -> str:
    return f'"{spec.classes[-1]}"' if isinstance(spec, Categorical) else f"{spec.examples[0]:g}"


def _details(run: Run) -> str:
    config, size = run.config, run.config.data.image_size
    levels = (config.censor if config.censor.steps else config.model).levels
    finite = f" of {_listing(map(str, levels))} values" if levels else ""
    method = "sampled latents joined with labels (arXiv 1909.09156)"
    rows = [
        ("model", f"`{model_hash(run)}`, step {run.step}, conceal_jax {__version__}"),
        ("trained on", f"`{config.data.source}`; nothing is known of how it does on photos of another kind"),
        ("method", f"{method}, then a censor on its codes" if config.censor.steps else method),
        ("photo", f"{size}x{size} pixels"),
        ("code", f"{run.model.latent_dim} numbers{finite}, sampled"),
    ]
    return _table(("", ""), rows)


def _attributes(run: Run) -> str:
    rows = [("concealed", spec) for spec in run.attributes.concealed] + [("kept", spec) for spec in run.attributes.kept]
    return _table(("attribute", "", "values"), [(spec.name, part, _values(spec)) for part, spec in rows])


def _values(spec: Attribute) -> str:
    if isinstance(spec, Categorical):
        return ", ".join(spec.classes)
    return f"{spec.low:g} to {spec.high:g} {spec.unit}".strip()


def _audit(report: Report) -> str:
    people = report.get("people", {})
    judged = f", judged on {people['test']:,} people who were not learned from" if "test" in people else ""
    parts = [
        f"Balanced accuracy of the best of several freshly trained attackers, with 95 % limits{judged}. The *floor* is "
        "what the kept labels alone tell.",
        _table(
            ("concealed", "chance", "floor", *_SOURCES.values(), "verdict"),
            [
                (name, _share(item["chance"]), _share(item["floor"]), *_readings(item), item["verdict"])
                for name, item in {**report["concealed"], **report.get("joint", {})}.items()
            ],
        ),
    ]
    if report.get("kept"):
        kept = [(name, *_readings(item)) for name, item in report["kept"].items()]
        parts += [
            "Kept attributes, by balanced accuracy or, for values, R².",
            _table(("kept", *_SOURCES.values()), kept),
        ]
    if "distortion" in report:
        fidelity = ", ".join(f"{name} {value:.3f}" for name, value in report["distortion"].items())
        parts.append(f"Reconstructions under a person's own labels: {fidelity}.")
    certificates = report["certificates"]
    parts += [f"**Certificate.** {one['plain_words']}" for one in certificates["issued"]]
    parts += [f"**No certificate for {one['attribute']}**: {one['reason']}." for one in certificates["refused"]]
    parts += [f"**Warning.** {warning}" for warning in report["warnings"]]
    return "\n\n".join(parts)


def _readings(item: Mapping[str, Any]) -> list[str]:
    return [_reading(item[source]) if source in item else "–" for source in _SOURCES]


def _reading(reading: Mapping[str, Any]) -> str:
    """The decisive figure and its limits."""
    value = reading.get("balanced_accuracy", reading.get("r2"))
    return f"{_share(value)} [{', '.join(map(_share, reading['ci95']))}]"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _listing(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


_NOT_AUDITED = """\
Nobody has audited this run. Take its codes to tell everything until `python evaluate.py --workdir=RUN` has said what
they tell."""

_WHOLE = "    box = (0, 0, *photo.size)"
_CENTER = """\
    side = min(photo.size)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    box = (left, top, left + side, top + side)"""
