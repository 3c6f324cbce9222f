"""Opens the collection of a configuration: dispatches to its source, then joins labels, splits and groups.

To add a source, write a module beside this one, add a case to `_read_items`, and its name to `SOURCES` in
`conceal_jax.config.validation`.
"""

import dataclasses
from pathlib import Path

from conceal_jax.attributes import Attribute, AttributeSet
from conceal_jax.config import DataConfig
from conceal_jax.data.archive import open_archive
from conceal_jax.data.collection import Collection, Items, build_collection
from conceal_jax.data.labels.extra import join_extra
from conceal_jax.data.labels.table import read_table
from conceal_jax.data.labels.undeclared import undeclared_attributes
from conceal_jax.data.sources.celeb_a import read_celeb_a
from conceal_jax.data.sources.fairface import read_fairface
from conceal_jax.data.sources.folder import read_folder
from conceal_jax.data.sources.synthetic import read_synthetic
from conceal_jax.data.sources.tfds import read_tfds
from conceal_jax.data.sources.utkface import read_utkface

SELECTION_SHARE = 0.1


def open_collection(config: DataConfig, attributes: AttributeSet, seed: int) -> Collection:
    """Indexes a collection: names, labels, splits and groups. Pictures are read later, on demand.

    Args:
        config: says which collection, and where it is.
        attributes: the concealed and kept attributes to read labels for.
        seed: of the synthetic faces alone.

    Raises:
        BadDataError: there is no item that can be used.
        ValueError: the source, a label file or a column is missing, or a split separates a group.
    """
    items = _labelled_items(config, attributes, seed)
    return _split(build_collection(items, _present(attributes, items), config.validation_fraction), config)


def open_with_undeclared(
    config: DataConfig, attributes: AttributeSet, seed: int
) -> tuple[Collection, tuple[Attribute, ...]]:
    """`open_collection`, with labels for every attribute of the source that is not declared.

    Returns:
        The same items in the same splits, and the specifications of the undeclared attributes
        (`conceal_jax.data.labels.undeclared`).
    """
    items = _labelled_items(config, attributes, seed)
    present = _present(attributes, items)
    undeclared = undeclared_attributes(items, attributes)
    every = dataclasses.replace(present, kept=(*present.kept, *undeclared))
    return _split(build_collection(items, every, config.validation_fraction), config), undeclared


def _split(collection: Collection, config: DataConfig) -> Collection:
    """The collection in its splits; with `data.selection`, its training people alone, some of them for validation."""
    return collection.for_selection(SELECTION_SHARE) if config.selection else collection


def _labelled_items(config: DataConfig, attributes: AttributeSet, seed: int) -> Items:
    """The items of the source with the columns of the extra CSV, if there is one."""
    items = _read_items(config, attributes, seed)
    items.report.require_mostly_good(max_bad_fraction=1.0)
    extra = _extra_table(config)
    if extra:
        items = join_extra(items, read_table(extra))
        items.report.notes.append(f"joined {Path(extra).name}")
    return items


def _extra_table(config: DataConfig) -> str:
    """The configured extra CSV, else PATH_extra.csv where it lies beside the pictures."""
    pictures = Path(config.path)
    name = pictures.name if pictures.is_dir() else pictures.stem
    beside = pictures.with_name(f"{name}_extra.csv") if pictures.name else pictures
    return config.extra or (str(beside) if beside.is_file() else "")


def _present(attributes: AttributeSet, items: Items) -> AttributeSet:
    """The attributes without the optional ones that the source has no column for, which the report notes."""
    columns = {spec.name: spec.column or spec.name for spec in attributes.kept if spec.optional}
    absent = [name for name, column in columns.items() if column not in items.columns]
    for name in absent:
        items.report.notes.append(f"{name} is left out: no column {columns[name]!r}")
    return attributes.available([spec.name for spec in attributes.kept if spec.name not in absent])


def _read_items(config: DataConfig, attributes: AttributeSet, seed: int) -> Items:
    match config.source:
        case "synthetic":
            return read_synthetic(config, seed)
        case "utkface":
            return read_utkface(open_archive(config.path))
        case "fairface":
            return read_fairface(open_archive(config.path), config.labels, attributes)
        case "folder":
            archive = open_archive(config.path)
            return read_folder(archive, read_table(config.labels, archive))
        case "celeb_a" if config.path:
            return read_celeb_a(config.path)
        case "celeb_a":
            return read_tfds("celeb_a", data_dir="")
    return read_tfds(config.source.removeprefix("tfds:"), config.path)
