"""TFDS builders that prepare UTKFace, FairFace or any labelled folder from what `open_collection` reads.

    UTKFace(data=DataConfig(source="utkface", path="utkface.zip"), attributes=..., data_dir="prepared",
            file_format="array_record").download_and_prepare()

Afterwards `DataConfig(source="tfds:utkface", path="prepared")` reads it.
"""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from conceal_jax.attributes import Attribute, AttributeSet, Categorical
from conceal_jax.config import DataConfig
from conceal_jax.data.collection import Collection
from conceal_jax.data.sources.open import open_collection


class CollectionBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Writes a collection: image (the file's own bytes), name, group, and one feature per declared attribute."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, data: DataConfig, attributes: AttributeSet, **options: Any) -> None:
        """Args: what to read, as for `open_collection`, and the options of every TFDS builder."""
        self._attributes = attributes
        self._data = data
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "name": tfds.features.Text(),
            "group": tfds.features.Scalar(np.int64),
            **{spec.column or spec.name: _feature(spec) for spec in self._attributes.all},
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[Any]]:
        collection = open_collection(self._data, self._attributes, seed=0)
        present = ["train", "validation", *(["test"] if "test" in collection.split else [])]
        return {split: self._generate_examples(collection.subset(split)) for split in present}

    def _generate_examples(self, collection: Collection) -> Iterator[tuple[str, dict[str, Any]]]:
        for index, name in enumerate(collection.names):
            content = collection.read(index)
            yield (
                name,
                {
                    "image": io.BytesIO(content) if isinstance(content, bytes) else content,
                    "name": name,
                    "group": collection.group[index],
                    # An optional attribute without a column is missing everywhere.
                    **{
                        spec.column or spec.name: collection.labels[spec.name][index]
                        if spec.name in collection.labels
                        else spec.missing
                        for spec in self._attributes.all
                    },
                },
            )


class UTKFace(CollectionBuilder, skip_registration=True):  # type: ignore[call-arg]
    """UTKFace from a folder or zip."""

    name = "utkface"


class FairFace(CollectionBuilder, skip_registration=True):  # type: ignore[call-arg]
    """FairFace from a folder or zip."""

    name = "fairface"


class LabelledFolder(CollectionBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Any folder or zip with a table of labels."""

    name = "labelled_folder"


def _feature(spec: Attribute) -> Any:
    if isinstance(spec, Categorical):
        return tfds.features.ClassLabel(names=list(spec.classes))
    return tfds.features.Scalar(np.float32)
