"""The release card: the tree, the page and the summary, of audits made by hand."""

import dataclasses
import itertools
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet
from conceal_jax.audit.audit import Audit
from conceal_jax.audit.report.assemble import assemble, write_report
from conceal_jax.audit.report.summary import summary
from conceal_jax.plots import PictureGrid
from tests.audit.cards import AGE, CONTEXT, GENDER, JOINT, TARGETS, blind, make_audit, make_tree, only, with_gender_at

EVIL = '<script>alert("$1 & $2")</script>'
SUBSETS = [
    subset
    for count in (1, 2, 3)
    for subset in itertools.combinations(("originals", "codes", "pictures"), count)
    if subset != ("originals",)
]


@pytest.fixture(scope="module")
def full() -> Audit:
    return make_audit()


@pytest.fixture(scope="module")
def tree(full) -> dict:
    return make_tree(full)


@pytest.fixture(scope="module")
def written(tree, tmp_path_factory):
    directory = tmp_path_factory.mktemp("report")
    grid = PictureGrid(np.zeros((2, 3, 32, 32, 3), np.uint8), ("original", "<concealed>"), caption="Faces & codes.")
    text = write_report(directory, tree, {"concealed": grid})
    return directory, text


def words(html: str) -> str:
    """The page as its readers see it."""
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL).replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\s+([.,:;)])", r"\1", re.sub(r"\s+", " ", text))


def test_keys_are_the_documented_ones(tree):
    leak = {"classes", "chance", "floor", "floor_ci95", "excess", "too_small", "originals", "codes", "pictures"}
    assert set(tree) == {
        *("schema_version", "version", "margin", "small", *CONTEXT),
        *("concealed", "joint", "kept", "asked_for", "repeats", "identity", "undeclared", "unwatched", "controls"),
        *("certificates", "warnings"),
    }
    assert set(tree["concealed"]["age"]) == leak | {"unit", "verdict"}
    assert set(tree["joint"][JOINT]) == leak | {"verdict", "left_out"}
    assert set(tree["undeclared"]["hat"]) == leak | {"exposed"}
    assert set(tree["kept"]["pose"]) == {"unit", "originals", "codes", "pictures"}
    assert set(tree["controls"]["codes"]) == {"planted", "shuffled"}
    assert set(tree["repeats"]) == {"1", "4", "16", "64", "mean"}
    assert tree["identity"] == {
        "codes": {"rate": {"value": 0.04, "ci95": [0.02, 0.07]}, "people": 250, "chance": 0.004}
    }


def test_a_reading_holds_the_best_attackers_figures_and_the_interval_of_the_maximum(full, tree):
    reading, expected = tree["concealed"]["gender"]["codes"], full.codes["gender"]
    attackers = {one["attacker"]: one for one in reading["attackers"]}
    assert reading["best_attacker"] == "good"
    assert reading["support"] == np.bincount(TARGETS["gender"].labels[:-20]).tolist()
    for metric in ("balanced_accuracy", "auc", "macro_f1", "information_nats"):
        assert reading[metric] == attackers["good"][metric] == round(expected.best.metrics[metric].value, 4)
    assert reading["ci95"] == [round(limit, 4) for limit in expected.highest.ci95]
    assert attackers["good"]["ci95"] == [round(limit, 4) for limit in expected.best.decisive.ci95]
    assert reading["ci95"][1] > attackers["good"]["ci95"][1]
    assert tree["concealed"]["age"]["codes"]["mae"] == pytest.approx(0.8, abs=0.1)
    assert "balanced_accuracy" not in tree["kept"]["pose"]["codes"]


def test_excess_is_that_of_whatever_is_released_and_read_best(tree):
    age = tree["concealed"]["age"]
    assert age["pictures"]["balanced_accuracy"] > age["codes"]["balanced_accuracy"]
    assert age["excess"]["value"] == pytest.approx(age["pictures"]["balanced_accuracy"] - age["floor"], abs=1e-3)
    assert age["excess"]["ci95"][0] < age["excess"]["value"] < age["excess"]["ci95"][1]


@pytest.mark.parametrize(
    ("accuracy", "verdict"), [(0.505, "hidden"), (0.53, "undecided"), (0.6, "weakened"), (0.98, "readable")]
)
def test_verdict_follows_from_the_interval_of_the_excess(full, accuracy, verdict):
    assert make_tree(with_gender_at(full, accuracy))["concealed"]["gender"]["verdict"] == verdict


def test_nothing_is_called_hidden_by_attackers_that_miss_what_was_planted(full):
    tree = make_tree(blind(with_gender_at(full, 0.505)))
    assert not tree["controls"]["codes"]["planted"]["passed"]
    assert tree["concealed"]["gender"]["verdict"] == "undecided"


def test_without_originals_nothing_is_called_weakened(full):
    tree = assemble(only(with_gender_at(full, 0.6), ("codes",)), asked_for={}, certificates={}, context={})
    assert tree["concealed"]["gender"]["verdict"] == "readable"


def test_small_groups_are_named_and_never_called_safe(tree, written):
    assert tree["concealed"]["age"]["too_small"] == ["95+"]
    assert tree["joint"][JOINT]["left_out"] == 2
    text = words((written[0] / "report.html").read_text())
    assert "Fewer than 10 people were judged, too few to say anything, of: 95+." in text
    assert "nothing is said of the other 2." in text


def test_undeclared_attributes_are_exposed_by_the_lower_limit_of_their_excess(tree, written):
    assert tree["undeclared"]["beard"]["exposed"] is True
    assert tree["undeclared"]["hat"]["exposed"] is False
    text = words((written[0] / "report.html").read_text())
    assert "2 other attributes of the data were watched" in text
    assert "1 can be read more than 3 points above the floor" in text


def test_json_is_strict_and_rounded_but_for_certificates(written, tree):
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    read_back = json.loads((written[0] / "report.json").read_text(), parse_constant=refuse)
    assert read_back == tree
    assert read_back["distortion"] == {"psnr_db": 20.1235, "ssim": None}
    assert read_back["certificates"]["issued"][0]["bound"] == 0.58341


def test_certificates_may_be_none(full):
    tree = assemble(full, asked_for={}, certificates={}, context={})
    assert tree["certificates"] == {"issued": [], "refused": []}
    assert re.search(r"^certificates +none$", summary(tree), re.MULTILINE)


class Page(HTMLParser):
    """Collects what a page loads, and whether its tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.resources: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe")
        self.resources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_page(text: str, pictures: int) -> None:
    page = Page()
    page.feed(text)
    assert page.open == []
    assert len(page.resources) == pictures
    assert all(resource.startswith("data:image/png;base64,") for resource in page.resources)
    assert not re.search(r"https?://|@import|url\(", text)


def test_page_is_self_contained_and_says_it_in_words(written):
    html = (written[0] / "report.html").read_text()
    check_page(html, pictures=2)
    text = words(html)
    assert "gender Not hidden The best attacker is right" in text
    assert "age Weakened, not hidden" in text
    assert "the code, by any method known or unknown, tells gender rightly for more than 58.4 %" in text
    assert "Refused: age: sigma varies." in text
    assert "gender: attackers on the codes alone were too weak." in text
    assert "Faces &amp; codes." in text
    assert html.count("<details>") == 6
    assert "A control failed" not in text


@pytest.mark.parametrize("sources", SUBSETS)
def test_any_subset_of_sources_makes_a_report(full, sources, tmp_path):
    bare = dataclasses.replace(only(full, sources), undeclared=(), joint={}, repeats={}, identity={}, warnings=())
    tree = assemble(bare, asked_for={}, certificates={}, context={"people": {"train": 7000, "test": 600}})
    lines = write_report(tmp_path, tree, {}).splitlines()
    html = (tmp_path / "report.html").read_text()
    check_page(html, pictures=1)
    present = [source for source in ("originals", "codes", "pictures") if source in tree["concealed"]["gender"]]
    assert present == list(sources)
    assert f"<th>floor</th>{''.join(f'<th>{source}</th>' for source in sources)}<th>excess</th>" in html
    gender = next(line for line in lines if line.startswith("gender")).split()
    assert [cell != "-" for cell in gender[3:6]] == [name in sources for name in ("originals", "codes", "pictures")]
    assert "PSNR" not in html
    assert "Several codes of one photo</h2>" not in html


def test_without_kept_attributes_the_report_is_still_written(full, tmp_path):
    bare = dataclasses.replace(full, attributes=AttributeSet((GENDER, AGE)))
    write_report(tmp_path, make_tree(bare), {})
    assert "No attribute was declared as kept" in (tmp_path / "report.html").read_text()


def test_a_failed_control_is_shown_first(full, tmp_path):
    tree = make_tree(blind(full))
    text = write_report(tmp_path, tree, {})
    html = (tmp_path / "report.html").read_text()
    assert html.index("A control failed") < html.index("To be hidden")
    assert "<strong>planted labels, codes</strong>: failed" in html
    assert "FAILED: planted on codes; read" in text


def test_names_are_escaped_wherever_they_stand(tree, tmp_path):
    hostile = json.loads(
        json.dumps(tree).replace('"gender"', json.dumps(EVIL)).replace('"good"', json.dumps(EVIL)),
    )
    hostile["concealed"][EVIL]["too_small"] = [EVIL]
    hostile["warnings"] = [EVIL]
    hostile["undeclared"] = {EVIL: {**hostile["undeclared"]["beard"], "too_small": [EVIL]}}
    hostile["kept"] = {EVIL: {**hostile["kept"]["pose"], "unit": EVIL}}
    for one in hostile["certificates"]["issued"] + hostile["certificates"]["refused"]:
        one.update(attribute=EVIL, reason=EVIL, plain_words=EVIL)
    hostile["controls"]["codes"]["planted"] |= {"passed": False, "words": EVIL}
    grid = PictureGrid(np.zeros((1, 1, 32, 32, 3), np.uint8), (EVIL,), (EVIL,), EVIL)
    write_report(tmp_path, hostile, {"grid": grid})
    html = (tmp_path / "report.html").read_text()
    check_page(html, pictures=2)
    assert html.count("&lt;script&gt;alert(&quot;$1 &amp; $2&quot;)") > 20


def test_summary_has_the_decisive_figures(tree, written):
    _, text = written
    lines = text.splitlines()
    gender, reading = next(line for line in lines if line.startswith("gender")), tree["concealed"]["gender"]
    figures = [reading["chance"], reading["floor"], *(reading[s]["balanced_accuracy"] for s in list(reading)[-3:])]
    figures += [reading["excess"]["value"], tree["asked_for"]["gender"]["balanced_accuracy"]]
    assert gender.split() == ["gender", *(f"{value:.3f}" for value in figures), "readable"]
    for start in ("jointly ", "pose ", "repeats ", "identity ", "undeclared    1 of 2", "controls ", "warnings "):
        assert any(line.startswith(start) for line in lines), start
    # A bound is rounded upwards.
    assert "certificates  gender <= 0.584; refused for age" in lines


def test_summary_fits_a_screen_whatever_there_is(tree):
    many = {f"attribute_number_{i}": tree["concealed"]["gender"] for i in range(40)}
    reading = tree["repeats"]["1"]["gender"]
    crowded = {
        **tree,
        "concealed": many,
        "kept": dict.fromkeys(many, tree["kept"]["smile"]),
        "undeclared": dict.fromkeys(many, tree["undeclared"]["beard"]),
        "repeats": {m: dict.fromkeys(many, reading) for m in tree["repeats"]},
        "warnings": ["w" * 300, "many words " * 50],
    }
    lines = summary(crowded).splitlines()
    assert len(lines) < 40  # The path of the report follows.
    assert max(map(len, lines)) <= 100
    assert "and 30 more in the whole report" in lines


def test_pictures_are_png_files(written):
    for name in ("leakage", "concealed"):
        assert (written[0] / f"{name}.png").read_bytes().startswith(b"\x89PNG")
