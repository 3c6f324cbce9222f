import dataclasses
from pathlib import Path

import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import DataConfig
from conceal_jax.data.sources.open import open_collection
from tests.data.conftest import AGE, GENDER, SMILE, encode, write_zip


@pytest.mark.filterwarnings("ignore")  # TensorFlow Datasets and its dependencies warn of their own code
def test_a_prepared_collection_reads_back_equal(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow_datasets")
    from conceal_jax.data.tfds_builders import UTKFace

    files = {f"{age}_{age % 2}_0_2017.jpg": encode(age) for age in range(30)}
    config = DataConfig("utkface", str(write_zip(tmp_path / "faces.zip", files)), validation_fraction=0.3)
    sex = dataclasses.replace(GENDER, name="sex", column="gender")
    # Nobody has a label of what is optional and not there.
    attributes = AttributeSet((sex, AGE), (dataclasses.replace(SMILE, optional=True),))
    prepared = str(tmp_path / "prepared")
    UTKFace(data=config, attributes=attributes, data_dir=prepared, file_format="array_record").download_and_prepare()
    first = open_collection(config, attributes, seed=0)
    second = open_collection(DataConfig("tfds:utkface", prepared), attributes, seed=0)
    assert set(first.names) == set(second.names)
    place = {name: index for index, name in enumerate(second.names)}
    order = np.asarray([place[name] for name in first.names])
    np.testing.assert_array_equal(first.split, second.split[order])
    for name, values in first.labels.items():
        np.testing.assert_array_equal(values, second.labels[name][order])
        assert values.dtype == second.labels[name].dtype
    assert [first.read(i) for i in range(len(first))] == [second.read(int(i)) for i in order]
