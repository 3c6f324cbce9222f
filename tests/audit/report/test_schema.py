"""report.json: strict, and read back as it was written."""

import copy
import dataclasses
import json
import math
import re
import typing
from pathlib import Path

import pytest

from conceal_jax.audit.certificates.certificate import Certificate
from conceal_jax.audit.report import schema
from conceal_jax.audit.report.schema import Report, from_json, read_report, to_json, write_report
from tests.audit.cards import make_audit, make_report

DOCUMENT = Path(__file__).parents[3] / "docs" / "report.md"


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(make_audit())


@pytest.fixture(scope="module")
def tree(report) -> dict:
    return to_json(report)


def test_what_was_written_is_read_back(report, tree, tmp_path):
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    write_report(report, tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text(), parse_constant=refuse) == tree
    read_back = read_report(tmp_path / "report.json")
    assert to_json(read_back) == tree
    assert read_back.concealed["gender"].verdict == report.concealed["gender"].verdict
    assert read_back.certificates == report.certificates
    assert read_report(tmp_path / "none.json") is None


def test_figures_are_rounded_but_those_of_certificates(tree):
    assert tree["context"]["distortion"]["psnr_db"] == 20.1235
    assert tree["certificates"]["issued"][0]["bound"] == 0.58341


def test_what_is_no_number_is_null(tree):
    assert tree["context"]["distortion"]["ssim"] is None
    assert math.isnan(from_json(tree).context.distortion.ssim)


def test_a_report_of_another_version_is_refused(tree):
    for version in ({}, {"schema_version": 2}):
        with pytest.raises(ValueError, match="written by another version; evaluate the run again"):
            from_json({**{key: value for key, value in tree.items() if key != "schema_version"}, **version})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree.update(colour="blue"), "report has unknown colour"),
        (lambda tree: tree.pop("margin"), "report lacks margin"),
        (lambda tree: tree["context"]["people"].pop("test"), r"report\.context\.people lacks test"),
        (lambda tree: tree.update(seed=1, version=3), "report has unknown seed"),
        (lambda tree: tree.update(version=3), r"report\.version is 3; expected str"),
        (lambda tree: tree["context"].update(seed=True), r"report\.context\.seed is True; expected int"),
        (lambda tree: tree["concealed"]["gender"].update(verdict="safe"), r"gender\.verdict is 'safe'; expected"),
        (lambda tree: tree["concealed"]["age"]["floor"].update(ci95=[0.1]), r"age\.floor\.ci95 is \[0\.1\]"),
        (lambda tree: tree["concealed"]["age"]["readings"].update(tea={}), "readings is 'tea'"),
        (lambda tree: tree.update(kept=[]), r"report\.kept is \[\]; expected dict"),
        (lambda tree: tree["kept"].update(pose=1), r"report\.kept\.pose is 1; expected an object"),
    ],
)
def test_what_is_no_report_is_refused_by_name(tree, change, message):
    changed = copy.deepcopy(tree)
    change(changed)
    with pytest.raises(ValueError, match=message):
        from_json(changed)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "report.json"
    path.write_text('{"schema_version": 1}')
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}: report.json has form 1"):
        read_report(path)


def dataclasses_of(kind: typing.Any) -> set[type]:
    """Every dataclass that a value of a type may hold."""
    found = {kind} if dataclasses.is_dataclass(kind) else set()
    parts = typing.get_type_hints(kind).values() if found else typing.get_args(kind)
    return found.union(*(dataclasses_of(part) for part in parts)) if parts else found


def test_every_field_is_documented():
    text = DOCUMENT.read_text()
    kinds = dataclasses_of(schema.Report)
    assert Certificate in kinds
    missing = [
        f"{kind.__name__}.{field.name}"
        for kind in kinds
        for field in dataclasses.fields(kind)
        if f"`{field.name}`" not in text
    ]
    assert not missing
