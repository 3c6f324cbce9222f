"""The report's files against what docs/report.md says of them."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet, Categorical, Continuous
from conceal_jax.audit.floors import Floor
from conceal_jax.audit.protocol import Figures, Reading
from conceal_jax.audit.report import assemble, write_report
from conceal_jax.audit.statistics import Estimate
from conceal_jax.plots import PictureGrid

ATTRIBUTES = AttributeSet(
    (Categorical("gender", ("male", "female")), Continuous("age", 0, 100, "years")),
    (Categorical("smile", ("no", "yes")), Continuous("pose", -1, 1)),
)


def estimate(value: float) -> Estimate:
    return Estimate(value, (value - 0.01, value + 0.02))


def readings(accuracy: float) -> dict[str, Reading]:
    classes = {"balanced_accuracy": estimate(accuracy), "auc": estimate(0.7)}
    values = {"r2": estimate(0.4), "mae": estimate(8.0)}
    weak = Figures("linear", {"balanced_accuracy": estimate(0.3)})
    return {
        "gender": Reading((weak, Figures("mlp", classes)), (40, 60)),
        "age": Reading((Figures("mlp", {"balanced_accuracy": estimate(accuracy), **values}),), (25, 25, 25, 25)),
        "smile": Reading((Figures("mlp", classes),), (50, 50)),
        "pose": Reading((Figures("mlp", values),), (100,)),
    }


@pytest.fixture
def report() -> dict:
    floors = {"gender": Floor(0.5, estimate(0.5512345)), "age": Floor(0.25, estimate(0.25))}
    asked = {name: readings(0.8)[name] for name in ("gender", "age")}
    return assemble(
        ATTRIBUTES,
        floors,
        readings(0.9),
        readings(0.6),
        readings(0.65),
        asked,
        distortion={"psnr_db": 20.123456, "ssim": float("nan")},
        rate_nats=38.5,
        context={"people": {"train": 7000, "test": 100}, "seed": 0, "seconds": 12.5},
    )


@pytest.fixture
def written(report, tmp_path):
    grid = PictureGrid(np.zeros((2, 3, 32, 32, 3), np.uint8), ("original", "<concealed>"), caption="Faces & codes.")
    summary = write_report(tmp_path / "report", report, {"concealed": grid})
    return tmp_path / "report", summary


def test_top_keys_are_the_documented_ones(report):
    assert set(report) == {
        *("schema_version", "version", "people", "seed", "seconds"),
        *("distortion", "rate_nats", "concealed", "kept", "asked_for"),
    }
    assert set(report["concealed"]["age"]) == {
        *("classes", "unit", "chance", "floor", "floor_ci95", "originals", "codes", "pictures")
    }
    assert set(report["kept"]["pose"]) == {"unit", "originals", "codes", "pictures"}


def test_a_reading_holds_its_best_attackers_figures_and_all_attackers(report):
    assert report["concealed"]["gender"]["codes"] == {
        "best_attacker": "mlp",
        "balanced_accuracy": 0.6,
        "ci95": [0.59, 0.62],
        "auc": 0.7,
        "auc_ci95": [0.69, 0.72],
        "support": [40, 60],
        "attackers": [
            {"attacker": "linear", "balanced_accuracy": 0.3, "ci95": [0.29, 0.32]},
            {"attacker": "mlp", "balanced_accuracy": 0.6, "ci95": [0.59, 0.62], "auc": 0.7, "auc_ci95": [0.69, 0.72]},
        ],
    }
    assert report["kept"]["pose"]["codes"]["r2"] == 0.4


def test_json_is_strict_and_rounded(written, report):
    directory, _ = written

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    tree = json.loads((directory / "report.json").read_text(), parse_constant=refuse)
    assert tree == report
    assert tree["distortion"] == {"psnr_db": 20.1235, "ssim": None}
    assert tree["rate_nats"] == 38.5


class Page(HTMLParser):
    """Collects what a page loads, and whether its tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.resources: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.resources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_self_contained_and_well_formed(written):
    page, text = Page(), (written[0] / "report.html").read_text()
    page.feed(text)
    assert page.open == []
    assert len(page.resources) == 2
    assert all(resource.startswith("data:image/png;base64,") for resource in page.resources)
    assert not re.search(r"https?://|@import|url\(", text)


def test_page_says_in_words_what_the_higher_of_codes_and_pictures_tells(written):
    text = (written[0] / "report.html").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "<strong>gender</strong>: the best reader is right 90.0 % of the time on originals" in text
    assert "and 65.0 % on the pictures (between 64.0 % and 67.0 %)" in text
    assert "the kept attributes alone give 55.1 %" in text
    assert "[7.990, 8.020]</small> years" in text
    assert "Faces &amp; codes." in text


def test_summary_fits_a_screen_and_has_the_decisive_figures(written):
    _, summary = written
    lines = summary.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines[:-1])) <= 100
    gender = next(line for line in lines if line.startswith("gender"))
    assert gender.split() == ["gender", "0.500", "0.551", "0.900", "0.600", "0.650", "0.800"]


def test_pictures_are_png_files(written):
    for name in ("leakage", "concealed"):
        assert (written[0] / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_without_kept_attributes_the_report_is_still_written(report, tmp_path):
    summary = write_report(tmp_path, {**report, "kept": {}, "asked_for": {}}, {})
    assert "gender" in summary
    assert "No attribute was declared as kept" in (tmp_path / "report.html").read_text()
