"""The model card of a run: what it conceals, what an audit read of it, how to use it, and what it does not promise."""

from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from conceal_jax.attributes import Attribute, Categorical
from conceal_jax.audit.report.schema import Readings, Report
from conceal_jax.audit.statistics import Estimate
from conceal_jax.audit.vocabulary import METRICS, MISSING, SOURCES, listing, number
from conceal_jax.runs.trained import Run, model_hash
from conceal_jax.version import __version__

_TEMPLATE = Path(__file__).with_suffix(".md")
_HEADS = tuple(words.many for words in SOURCES.values())


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


def model_card(run: Run, report: Report | None) -> str:
    """Markdown.

    Args:
        run: a trained run.
        report: of its audit, if it was audited.
    """
    data, concealed = run.config.data, run.attributes.concealed
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        concealed=listing([spec.name for spec in concealed]),
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
    finite = f" of {listing([str(each) for each in levels])} values" if levels else ""
    method = "sampled latents joined with labels (arXiv 1909.09156)"
    rows = [
        ("model", f"`{model_hash(run)}`, step {run.step}, conceal_jax {__version__}"),
        ("trained on", f"`{config.data.source}`; nothing is known of how it does on photos of another kind"),
        ("method", f"{method}, then a censor on its codes" if config.censor.steps else method),
        ("photo", f"{size}x{size} pixels"),
        ("code", f"{run.model.latent_dim} dimensions{finite}, sampled"),
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
    parts = [
        "Balanced accuracy of the best of several freshly trained attackers, with 95 % limits, on "
        f"{report.context.people.test:,} held-out people. The *floor* is what the kept labels alone leak.",
        _table(
            ("concealed", "chance", "floor", *_HEADS, "verdict"),
            [
                (name, number(item.chance), number(item.floor.value), *_cells(item.readings), item.verdict)
                for name, item in report.hidden.items()
            ],
        ),
    ]
    if report.kept:
        kept = [(name, *_cells(item.readings)) for name, item in report.kept.items()]
        parts += ["Kept attributes, by balanced accuracy or, for values, R².", _table(("kept", *_HEADS), kept)]
    if found := report.context.distortion:
        fidelity = f"{METRICS['psnr_db'].text(found.psnr_db)}, {METRICS['ssim'].text(found.ssim)}"
        parts.append(f"Reconstructions under a person's own labels: {fidelity}.")
    parts += [f"**Certificate.** {one.plain_words()}" for one in report.certificates.issued]
    parts += [f"**No certificate for {one.attribute}**: {one.reason}." for one in report.certificates.refused]
    parts += [f"**Warning.** {warning}" for warning in report.warnings]
    return "\n\n".join(parts)


def _cells(readings: Readings) -> list[str]:
    return [_cell(readings[source].best) if source in readings else MISSING for source in SOURCES]


def _cell(figure: Estimate) -> str:
    return f"{number(figure.value)} [{', '.join(map(number, figure.ci95))}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


_NOT_AUDITED = """\
This run was never audited. Assume that its codes leak everything until `conceal evaluate` has measured it."""

_WHOLE = "    box = (0, 0, *photo.size)"
_CENTER = """\
    side = min(photo.size)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    box = (left, top, left + side, top + side)"""
