"""The data report: what was found, used and skipped in a collection, and why (`data_report.json`)."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from conceal_jax.attributes import AttributeSet
from conceal_jax.runtime import atomic
from conceal_jax.version import __version__

_EXAMPLES = 5


class BadDataError(ValueError):
    """Too large a share of a collection cannot be used."""


@dataclasses.dataclass
class DataReport:
    """Counts of a collection; sources and decoders add to it, from any thread.

    Attributes:
        origin: where the collection comes from, for messages.
        found: items, good or bad.
        skipped: the reason by item name; the first one given stays.
        notes: further remarks.
        missing_labels: how many labelled items lack each attribute.
        splits: items by split, before any picture is decoded.
        classes: of each split and attribute, items by audit group.
    """

    origin: str
    found: int = 0
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    missing_labels: dict[str, int] = dataclasses.field(default_factory=dict)
    splits: dict[str, int] = dataclasses.field(default_factory=dict)
    classes: dict[str, dict[str, dict[str, int]]] = dataclasses.field(default_factory=dict)

    @property
    def used(self) -> int:
        """Items found and not skipped."""
        return self.found - len(self.skipped)

    def skip(self, name: str, reason: str) -> None:
        """Lists an item as unusable; a second reason for the same item is dropped."""
        self.skipped.setdefault(name, reason)

    def count_labels(self, attributes: AttributeSet, labels: Mapping[str, np.ndarray], split: np.ndarray) -> None:
        """Fills in the counts by split, class and missing label; labels and split are [N]."""
        names, counts = np.unique(split, return_counts=True)
        self.splits = dict(zip(names.tolist(), counts.tolist(), strict=True))
        for spec in attributes.all:
            self.missing_labels[spec.name] = int(spec.is_missing(labels[spec.name]).sum())
        for part in self.splits:
            self.classes[part] = {}
            for spec in attributes.all:
                groups = spec.groups(labels[spec.name][split == part])
                sizes = np.bincount(groups[groups >= 0], minlength=len(spec.group_names))
                self.classes[part][spec.name] = dict(zip(spec.group_names, sizes.tolist(), strict=True))

    def require_mostly_good(self, max_bad_fraction: float) -> None:
        """Refuses a collection with too many unusable items.

        Raises:
            BadDataError: nothing was found, nothing can be used, or more than this share was skipped.
        """
        if not self.found:
            raise BadDataError(f"found no item in {self.origin}; check data.path")
        share = len(self.skipped) / self.found
        first = "; ".join(f"{name}: {why}" for name, why in list(self.skipped.items())[:_EXAMPLES])
        if not self.used:
            raise BadDataError(f"none of {self.found} items in {self.origin} can be used; correct them. First: {first}")
        if share > max_bad_fraction:
            raise BadDataError(
                f"{len(self.skipped)} of {self.found} items in {self.origin} ({share:.1%}) cannot be used, above the "
                f"limit data.max_bad_fraction={max_bad_fraction:g}; correct them or raise the limit. First: {first}"
            )

    def to_json(self) -> str:
        """The report as JSON; skipped items in order of name."""
        # Of a copy: threads that read pictures may be adding to it.
        skipped = [{"name": name, "reason": reason} for name, reason in sorted(self.skipped.copy().items())]
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return json.dumps({"version": __version__, **fields, "used": self.used, "skipped": skipped}, indent=2)

    def write(self, path: Path) -> None:
        """Writes `data_report.json`."""
        atomic.write_text(path, self.to_json())
