import json
from pathlib import Path

import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet
from conceal_jax.data.report import BadDataError, DataReport
from tests.data.conftest import AGE, GENDER


def test_the_written_report_holds_counts_and_reasons(tmp_path: Path) -> None:
    report = DataReport("faces", found=5)
    report.skip("b.jpg", "first reason")
    report.skip("b.jpg", "second reason")
    labels = {"gender": np.asarray([0, 1, 1, -1], np.int32), "age": np.asarray([1, 75, np.nan, 30], np.float32)}
    report.count_labels(
        AttributeSet((GENDER, AGE)), labels, np.asarray(["train", "train", "validation", "train"], object)
    )
    report.write(tmp_path / "data_report.json")
    tree = json.loads((tmp_path / "data_report.json").read_text())
    assert (tree["found"], tree["used"]) == (5, 4)
    assert tree["skipped"] == [{"name": "b.jpg", "reason": "first reason"}]
    assert tree["missing_labels"] == {"gender": 1, "age": 1}
    assert tree["splits"] == {"train": 3, "validation": 1}
    assert tree["classes"]["train"]["gender"] == {"male": 1, "female": 1}
    assert {group for group, count in tree["classes"]["train"]["age"].items() if count} == {"0-2", "30-39", "70+"}


def test_the_limit_is_the_largest_share_allowed() -> None:
    report = DataReport("faces", found=10)
    report.skip("b.jpg", "zero bytes")
    report.require_mostly_good(0.1)
    with pytest.raises(BadDataError, match=r"1 of 10 items in faces \(10\.0%\).*b\.jpg: zero bytes"):
        report.require_mostly_good(0.09)


def test_nothing_usable_is_refused_whatever_the_limit() -> None:
    with pytest.raises(BadDataError, match="found no item in faces"):
        DataReport("faces").require_mostly_good(1.0)
    with pytest.raises(BadDataError, match="none of 1 items in faces can be used"):
        DataReport("faces", found=1, skipped={"a": "bad"}).require_mostly_good(1.0)
