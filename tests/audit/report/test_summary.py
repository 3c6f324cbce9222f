"""The report on one screen."""

import dataclasses
import re

import pytest

from conceal_jax.audit.report.schema import Certificates, Report
from conceal_jax.audit.report.summary import summary
from tests.audit.cards import blind, make_audit, make_report


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(make_audit())


def test_summary_has_the_figures_that_decide(report):
    lines = summary(report).splitlines()
    gender, item = next(line for line in lines if line.startswith("gender")), report.concealed["gender"]
    figures = [item.chance, item.floor.value, *(each.best.value for each in item.readings.values())]
    figures += [item.excess.value, report.requested["gender"].best.value]
    assert gender.split() == ["gender", *(f"{value:.3f}" for value in figures), "readable"]
    for start in ("jointly ", "pose ", "repeats ", "identity ", "undeclared    1 of 2", "controls ", "warnings "):
        assert any(line.startswith(start) for line in lines), start
    # A bound is rounded upwards.
    assert "certificates  gender <= 0.584; refused for age" in lines


def test_failed_controls_and_missing_certificates_are_named():
    bare = dataclasses.replace(make_report(blind(make_audit())), certificates=Certificates())
    assert "FAILED: planted on codes; read" in summary(bare)
    assert re.search(r"^certificates +none$", summary(bare), re.MULTILINE)


def test_summary_fits_a_screen_whatever_there_is(report):
    many = [f"attribute_number_{i}" for i in range(40)]
    reading = report.repeats["1"]["gender"]
    crowded = dataclasses.replace(
        report,
        concealed=dict.fromkeys(many, report.concealed["gender"]),
        kept=dict.fromkeys(many, report.kept["smile"]),
        undeclared=dict.fromkeys(many, report.undeclared["beard"]),
        repeats={count: dict.fromkeys(many, reading) for count in report.repeats},
        warnings=("w" * 300, "many words " * 50),
    )
    lines = summary(crowded).splitlines()
    assert len(lines) < 40  # The path of the report follows.
    assert max(map(len, lines)) <= 100
    assert "and 30 more in the whole report" in lines
