"""Verdicts, excesses and controls of audits made by hand."""

import dataclasses

import numpy as np
import pytest

from conceal_jax.audit.audit import Audit
from conceal_jax.audit.report.assemble import assemble
from conceal_jax.audit.report.schema import Certificates, Report
from tests.audit.cards import CONTEXT, JOINT, TARGETS, blind, make_audit, make_report, only, with_gender_at


@pytest.fixture(scope="module")
def full() -> Audit:
    return make_audit()


@pytest.fixture(scope="module")
def report(full) -> Report:
    return make_report(full)


def test_a_reading_holds_the_best_attackers_figures_and_the_interval_of_the_maximum(full, report):
    reading, expected = report.concealed["gender"].readings["codes"], full.codes["gender"]
    assert reading.best_attacker == "good"
    assert reading.support == tuple(np.bincount(TARGETS["gender"].labels[:-20]))
    assert reading.best == expected.highest
    assert reading.metrics == expected.best.metrics
    assert list(reading.metrics) == ["balanced_accuracy", "auc", "macro_f1", "information_nats"]
    assert reading.best.ci95[1] > reading.metrics["balanced_accuracy"].ci95[1]
    assert report.concealed["age"].readings["codes"].metrics["mae"].value == pytest.approx(0.8, abs=0.1)
    assert report.kept["pose"].readings["codes"].metric == "r2"


def test_excess_is_that_of_whatever_is_released_and_read_best(report):
    age = report.concealed["age"]
    codes, pictures = age.readings["codes"].best.value, age.readings["pictures"].best.value
    assert pictures > codes
    assert age.released == age.readings["pictures"]
    assert age.excess.value == pytest.approx(pictures - age.floor.value)
    assert age.excess.ci95[0] < age.excess.value < age.excess.ci95[1]


@pytest.mark.parametrize(
    ("accuracy", "verdict"), [(0.505, "hidden"), (0.53, "undecided"), (0.6, "weakened"), (0.98, "readable")]
)
def test_verdict_follows_from_the_interval_of_the_excess(full, accuracy, verdict):
    assert make_report(with_gender_at(full, accuracy)).concealed["gender"].verdict == verdict


def test_nothing_is_called_hidden_by_attackers_that_miss_what_was_planted(full):
    report = make_report(blind(with_gender_at(full, 0.505)))
    assert not report.controls["codes"].planted.passed
    assert report.concealed["gender"].verdict == "undecided"


def test_without_originals_nothing_is_called_weakened(full):
    report = assemble(only(with_gender_at(full, 0.6), ("codes",)), CONTEXT, {}, Certificates())
    assert report.concealed["gender"].verdict == "readable"


def test_classes_of_few_people_are_named(report):
    assert report.concealed["age"].too_small == ("95+",)
    assert report.joint[JOINT].left_out == 2


def test_undeclared_attributes_are_exposed_by_the_lower_limit_of_their_excess(report):
    assert report.undeclared["beard"].exposed
    assert not report.undeclared["hat"].exposed


def test_only_what_was_read_is_in_a_report(full):
    bare = dataclasses.replace(only(full, ("pictures",)), joint={}, repeats={}, identity={})
    report = assemble(bare, CONTEXT, {}, Certificates())
    assert list(report.concealed["gender"].readings) == list(report.controls) == ["pictures"]
    assert not any((report.joint, report.repeats, report.identity, report.requested))
