"""The page: whole, self-contained, and with all names escaped."""

import dataclasses
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet
from conceal_jax.audit.audit import Audit
from conceal_jax.audit.report.assemble import assemble
from conceal_jax.audit.report.html_report import write_folder
from conceal_jax.audit.report.schema import Certificates, Refusal, Report
from conceal_jax.plots.grids import PictureGrid
from tests.audit.cards import AGE, CERTIFICATE, CONTEXT, GENDER, blind, make_audit, make_report, only

EVIL = '<b>bold & "loud"</b>'
ESCAPED = "&lt;b&gt;bold &amp; &#34;loud&#34;&lt;/b&gt;"
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
def report(full) -> Report:
    return make_report(full)


@pytest.fixture(scope="module")
def folder(report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    grid = PictureGrid(np.zeros((2, 3, 32, 32, 3), np.uint8), ("original", "<concealed>"), caption="Faces & codes.")
    write_folder(folder, report, {"concealed": grid})
    return folder


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


def words(html: str) -> str:
    """The page as its readers see it."""
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL).replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\s+([.,:;)])", r"\1", re.sub(r"\s+", " ", text))


def test_page_is_self_contained_and_says_it_in_words(folder):
    html = (folder / "report.html").read_text()
    check_page(html, pictures=2)
    text = words(html)
    for sentence in (
        "gender Not hidden The best attacker is right",
        "age Weakened, not hidden",
        "Fewer than 10 people were judged, too few to say anything, of: 95+.",
        "nothing is said of the other 2.",
        "the code, by any method known or unknown, predicts gender correctly for more than 58.4 %",
        "Refused: age: sigma varies.",
        "gender: attackers on the codes alone were too weak.",
        "2 other attributes of the data were watched",
        "1 can be read more than 3 points above the floor",
        "conceal_jax",
        "step 100",
        "PSNR in dB 20.1, SSIM –.",
        "4 codes",
        "Faces &amp; codes.",
    ):
        assert sentence in text, sentence
    assert html.count("<details>") == 6
    assert "A control failed" not in text


def test_pictures_are_png_files(folder):
    for name in ("leakage", "concealed"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("sources", SUBSETS)
def test_any_subset_of_sources_makes_a_report(full, sources, tmp_path):
    bare = dataclasses.replace(only(full, sources), undeclared=(), joint={}, repeats={}, identity={}, warnings=())
    context = dataclasses.replace(CONTEXT, distortion=None, rate_nats=None)
    lines = write_folder(tmp_path, assemble(bare, context, {}, Certificates()), {}).splitlines()
    html = (tmp_path / "report.html").read_text()
    check_page(html, pictures=1)
    assert f"<th>floor</th>{''.join(f'<th>{source}</th>' for source in sources)}<th>excess</th>" in html
    gender = next(line for line in lines if line.startswith("gender")).split()
    assert [cell != "–" for cell in gender[3:6]] == [name in sources for name in ("originals", "codes", "pictures")]
    assert "PSNR" not in html
    assert "Several codes of one photo</h2>" not in html


def test_without_kept_attributes_the_report_is_still_written(full, tmp_path):
    bare = dataclasses.replace(full, attributes=AttributeSet((GENDER, AGE)))
    write_folder(tmp_path, make_report(bare), {})
    assert "No attribute was declared as kept" in (tmp_path / "report.html").read_text()


def test_a_failed_control_is_shown_first(full, tmp_path):
    write_folder(tmp_path, make_report(blind(full)), {})
    html = (tmp_path / "report.html").read_text()
    assert html.index("A control failed") < html.index("To be hidden")
    assert "<strong>planted labels, codes</strong>: failed" in html


def test_names_are_escaped_wherever_they_stand(report, tmp_path):
    gender = report.concealed["gender"]
    evil = {
        source: dataclasses.replace(
            reading,
            best_attacker=EVIL,
            attackers=tuple(dataclasses.replace(each, attacker=EVIL) for each in reading.attackers),
        )
        for source, reading in gender.readings.items()
    }
    changes = {"classes": (EVIL, "b"), "unit": EVIL, "too_small": (EVIL,), "readings": evil}
    planted = dataclasses.replace(report.controls["codes"].planted, passed=False, words=EVIL)
    hostile = dataclasses.replace(
        report,
        concealed={EVIL: dataclasses.replace(gender, **changes)},
        joint={EVIL: dataclasses.replace(next(iter(report.joint.values())), **changes)},
        kept={EVIL: dataclasses.replace(report.kept["pose"], unit=EVIL, readings=evil)},
        requested={EVIL: evil["codes"]},
        repeats={count: {EVIL: evil["codes"]} for count in report.repeats},
        undeclared={EVIL: dataclasses.replace(report.undeclared["beard"], **changes)},
        controls={"codes": dataclasses.replace(report.controls["codes"], planted=planted)},
        certificates=Certificates((dataclasses.replace(CERTIFICATE, attribute=EVIL),), (Refusal(EVIL, EVIL),)),
        warnings=(EVIL,),
    )
    grid = PictureGrid(np.zeros((1, 1, 32, 32, 3), np.uint8), (EVIL,), (EVIL,), EVIL)
    write_folder(tmp_path, hostile, {"grid": grid})
    html = (tmp_path / "report.html").read_text()
    check_page(html, pictures=2)
    assert "<b>" not in html
    assert html.count(ESCAPED) > 20
