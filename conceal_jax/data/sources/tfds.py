"""Collections prepared by TensorFlow Datasets, read at random without TensorFlow's graph."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from conceal_jax.data.collection import SPLIT_COLUMN, Items, cell_text
from conceal_jax.data.report import DataReport
from conceal_jax.data.sources.celeb_a import PLACE_BY_HAND


def read_tfds(name: str, data_dir: str) -> Items:
    """Opens (and, where it must, downloads) a data set; every label feature becomes a column.

    A class label becomes the name of its class, a truth value "1" or "-1". A feature within another, such as
    attributes/Smiling, also goes by its last name. If the data set has no validation split, its training split is
    divided like those of other sources.

    Args:
        name: as TFDS calls it, for example "celeb_a" or "utkface:1.0.0".
        data_dir: where it is or will be prepared; TFDS's own place if empty.

    Raises:
        ValueError: it is unknown, cannot be downloaded, or holds no picture.
    """
    import tensorflow_datasets as tfds

    builder = _prepare(name, data_dir)
    features = builder.info.features
    image = next((key for key, spec in features.items() if isinstance(spec, tfds.features.Image)), None)
    if image is None:
        raise ValueError(f"tfds:{name} has no image feature; it has: {', '.join(features)}")
    decoders = {image: tfds.decode.SkipDecoding()}
    sources = {part: builder.as_data_source(part, decoders=decoders) for part in sorted(builder.info.splits)}
    index = [(part, row) for part, source in sources.items() for row in range(len(source))]
    named_splits = {part: part for part in sources} if "validation" in sources else {"train": ""}
    rows = []
    for part, row in index:
        record = sources[part][row]
        labels = {key: value for key, value in record.items() if key != image}
        rows.append({SPLIT_COLUMN: named_splits.get(part, part), **dict(_cells(labels, features))})
    columns = {key: [row[key] for row in rows] for key in rows[0]} if rows else {}
    names = columns.pop("name", None) or [f"{part}/{row:07d}" for part, row in index]

    def read(item: int) -> bytes:
        part, row = index[item]
        content: bytes = sources[part][row][image]
        return content

    return Items(names, columns, read, DataReport(f"tfds:{name}", found=len(index)))


def _prepare(name: str, data_dir: str) -> Any:
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir or None)
    except tfds.core.DatasetNotFoundError as error:
        raise ValueError(
            f"TFDS knows no data set {name!r}, and none is prepared in {data_dir or 'its data folder'}; check the name"
        ) from error
    try:
        builder.download_and_prepare(file_format="array_record")
    # TFDS passes on whatever its downloader, parsers and checksums raise.
    except Exception as error:
        hint = PLACE_BY_HAND if name.startswith("celeb_a") else "see the data set's page in the TFDS catalogue"
        raise ValueError(
            f"TFDS could not download {name!r} (often its daily quota is used up): {error}. Instead: {hint}"
        ) from error
    return builder


def _cells(record: Mapping[str, Any], features: Any) -> Iterator[tuple[str, str]]:
    """The text cells of a record's scalar features."""
    for key, value in record.items():
        if isinstance(value, Mapping):
            for inner, cell in _cells(value, features[key]):
                yield f"{key}/{inner}", cell
                yield inner.rpartition("/")[2], cell
        elif np.ndim(value) == 0:
            yield key, _cell(value, features[key])


def _cell(value: Any, feature: Any) -> str:
    import tensorflow_datasets as tfds

    if isinstance(feature, tfds.features.ClassLabel):
        return feature.int2str(int(value)) if value >= 0 else ""
    return cell_text(value.item() if isinstance(value, np.generic) else value)
