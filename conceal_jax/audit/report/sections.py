"""The sections of the page: each is HTML made of the report's tree, and empty where there is nothing to say."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from conceal_jax.audit.report.markup import (
    bullets,
    cell,
    figure,
    listing,
    number,
    other_metrics,
    percent,
    readings,
    table,
)
from conceal_jax.plots import METRICS, SOURCES, decisive

Report = Mapping[str, Any]
Item = Mapping[str, Any]

RELEASED = {"codes": "codes", "pictures": "concealed pictures"}
VERDICTS = {
    "hidden": "Hidden from every attacker tried",
    "undecided": "Undecided",
    "weakened": "Weakened, not hidden",
    "readable": "Not hidden",
}

MEASURES = """<p class="quiet">Balanced accuracy: the share of right answers, every class counting the same.
<em>Chance</em> is guessing blindly. The <em>floor</em> is what the kept attributes alone already tell; hiding cannot go
below it while they are kept. The <em>excess</em> is the most that is read of anything released, above the floor. In
brackets: 95 % confidence intervals, wide enough for the best of all attackers. A code cannot tell less than the picture
decoded from it, so attackers on pictures count as attackers on their codes.</p>"""

NOT_PROMISED = """<ul>
<li>All figures but those of certificates are measurements, not bounds: another attacker, or one with more people to
learn from, may read more.</li>
<li>They hold for one code or picture of each photo. Several codes of one photo, or its noiseless mean, may tell
more.</li>
<li>They hold on average, for people like those of this collection: not for each person, and for a small group the
interval says how little is known.</li>
<li>Nothing is hidden from someone who also has the photo, or knows the person by other means.</li>
<li>Who the person is, is not concealed. What nobody declared is not concealed either, and what is not labelled in the
data was not measured.</li>
</ul>"""


def released(report: Report) -> str:
    """What recipients get, as a part of a sentence."""
    return listing([RELEASED[source] for source in _sources(report["concealed"]) if source in RELEASED])


def concealed(report: Report, bars: bytes) -> str:
    """Verdicts, bars and figures of what is to be hidden, one by one and all at once."""
    items = {**report["concealed"], **report["joint"]}
    sources = _sources(items)
    rows = [
        [
            escape(name),
            number(item["chance"]),
            cell(item["floor"], item["floor_ci95"]),
            *readings(item, sources),
            _excess(item),
        ]
        for name, item in items.items()
    ]
    verdicts = bullets([_verdict(name, item, report) for name, item in items.items()])
    bars_figure = figure(bars, f"What is read from {listing(sources)}.")
    return verdicts + bars_figure + table(["", "chance", "floor", *sources, "excess"], rows) + MEASURES


def _verdict(name: str, item: Item, report: Report) -> str:
    badge = f'<span class="badge {item["verdict"]}">{VERDICTS[item["verdict"]]}</span>'
    readings_released = [decisive(item[source]) for source in RELEASED if source in item]
    _, value, (low, high) = max(readings_released, key=lambda reading: reading[1])
    facts = [
        f"The best attacker is right {percent(value)} of the time (between {percent(low)} and {percent(high)})",
        f"guessing {percent(item['chance'])}",
        f"the kept attributes alone give {percent(item['floor'])}" if item["floor"] > item["chance"] else "",
        f"the original photos {percent(decisive(item['originals'])[1])}" if "originals" in item else "",
    ]
    sentences = [f"{'; '.join(filter(None, facts))}.", _reason(item, report), *_small_groups(item, report)]
    return f"<strong>{escape(name)}</strong> {badge} {' '.join(sentences)}"


def _reason(item: Item, report: Report) -> str:
    return {
        "hidden": f"No attacker was more than {_margin(report)} above the floor, at 95 % confidence.",
        "undecided": f"There are too few people, or attackers too weak, to say whether more than {_margin(report)} "
        "above the floor can be read.",
        "weakened": f"Attackers read it less well than on originals, but more than {_margin(report)} above the floor.",
        "readable": f"Attackers read it more than {_margin(report)} above the floor.",
    }[item["verdict"]]


def _small_groups(item: Item, report: Report) -> list[str]:
    sentences = []
    if item["too_small"]:
        groups = listing(item["too_small"])
        sentences.append(f"Fewer than {report['small']} people were judged, too few to say anything, of: {groups}.")
    if item.get("left_out"):
        sentences.append(
            f"{len(item['classes'])} combinations have enough people to be told apart; nothing is said of the other "
            f"{item['left_out']}."
        )
    return sentences


def certificates(report: Report) -> str:
    """What is certified, and why the rest is not."""
    issued = [
        f"<strong>{escape(one['attribute'])}</strong>: {escape(one['plain_words'])}"
        for one in report["certificates"]["issued"]
    ]
    reasons: dict[str, list[str]] = {}
    for one in report["certificates"]["refused"]:
        reasons.setdefault(one["reason"], []).append(one["attribute"])
    refused = [f"<strong>{listing(names)}</strong>: {escape(reason)}." for reason, names in reasons.items()]
    text = bullets(issued) if issued else "<p>Nothing can be guaranteed: no certificate was issued.</p>"
    return text + (f"<p>Refused:</p>{bullets(refused)}" if refused else "")


def repeats(report: Report) -> str:
    """What more releases of one photo tell."""
    readings_by_count = report["repeats"]
    if not readings_by_count:
        return ""
    rows = [
        [escape(name), *(cell(*decisive(each[name])[1:]) for each in readings_by_count.values())]
        for name in next(iter(readings_by_count.values()))
    ]
    return (
        "<p>A code is drawn at random. Whoever gets several codes of one photo can average the chance away, down to "
        "the mean code that they all lie around. Balanced accuracy of attackers that saw so many:</p>"
        f"{table(['', *map(_count, readings_by_count)], rows)}"
        '<p class="quiet">Fewer kinds of attackers were tried here than above: compare along a line only.</p>'
    )


def _count(releases: str) -> str:
    return f"{escape(releases)} codes" if releases.isdigit() and releases != "1" else f"{escape(releases)} code"


def kept(report: Report) -> str:
    """What is still readable, and how good pictures are."""
    items = report["kept"]
    sources = _sources(items)
    rows = [[escape(name), _metric(item), *readings(item, sources)] for name, item in items.items()]
    text = table(["", "metric", *sources], rows) if items else "<p>No attribute was declared as kept.</p>"
    distortion = report.get("distortion", {})
    names = {"psnr_db": "PSNR in dB", "ssim": "SSIM"}
    figures = [f"{names[key]} {number(value)}" for key, value in distortion.items() if key in names]
    if figures:
        text += f'<p class="quiet">Reconstructions under a person\'s own labels: {", ".join(figures)}.</p>'
    if "rate_nats" in report:
        text += f'<p class="quiet">A code holds {number(report["rate_nats"])} nats on average.</p>'
    return text


def _metric(item: Item) -> str:
    return METRICS[next(decisive(item[source])[0] for source in SOURCES if source in item)]


def asked_for(report: Report) -> str:
    """Whether pictures show what was asked for."""
    rows = [
        [escape(name), cell(*decisive(item)[1:]), other_metrics(item, report["concealed"][name].get("unit", ""))]
        for name, item in report["asked_for"].items()
    ]
    if not rows:
        return ""
    return (
        "<p>Pictures were decoded with labels asked for at random, and read by a network that learned from original "
        "photos only. It agrees with what was asked for as follows.</p>"
        f"{table(['', METRICS['balanced_accuracy'], 'also'], rows)}"
    )


def undeclared(report: Report) -> str:
    """Attributes nobody declared, of which the exposed ones are listed."""
    watched = report["undeclared"]
    if not watched:
        return "<p>There was no other labelled attribute that could be watched.</p>"
    exposed = {name: item for name, item in watched.items() if item["exposed"]}
    text = (
        f"<p>{len(watched)} other attributes of the data were watched, as hiding some can expose others. "
        f"<strong>{len(exposed)}</strong> can be read more than {_margin(report)} above the floor, at 95 % confidence. "
        f"Of the other {len(watched) - len(exposed)} this was not shown, which does not make them safe.</p>"
    )
    small = [name for name, item in watched.items() if item["too_small"]]
    if small:
        text += f"<p>Some classes have fewer than {report['small']} people judged: {listing(small)}.</p>"
    sources = _sources(watched)
    rows = [
        [escape(name), number(item["floor"]), *readings(item, sources), _excess(item)]
        for name, item in sorted(exposed.items(), key=lambda each: -each[1]["excess"]["value"])
    ]
    return text + (table(["exposed", "floor", *sources, "excess"], rows) if rows else "")


def identity(report: Report) -> str:
    """How often a person is found again."""
    rows = [
        [source, cell(item["rate"]["value"], item["rate"]["ci95"]), number(item["chance"]), f"{item['people']:,}"]
        for source, item in report["identity"].items()
    ]
    if not rows:
        return ""
    return (
        "<p>How often another photo of the same person is the nearest of all people's. Concealing identity is not "
        "promised; a face recogniser may find more than this simple matcher.</p>"
        f"{table(['', 'found', 'chance', 'people'], rows)}"
    )


def recipients(report: Report) -> str:
    """From whom it is hidden: which attackers were tried, on whom."""
    names = dict.fromkeys(
        one["attacker"]
        for item in report["concealed"].values()
        for source in RELEASED
        for one in item.get(source, {}).get("attackers", ())
    )
    return (
        f"<p>From anyone who receives {released(report)} and trains an attacker of their own on labelled people. "
        f"{_people(report)} Tried were: {listing(names)}. The best is reported.</p>"
    )


def _people(report: Report) -> str:
    if "people" not in report:
        return ""
    train, test = (f"{report['people'][part]:,}" for part in ("train", "test"))
    if report.get("folds"):
        return f"Here {test} people were judged in {report['folds']} parts, by attackers that learned from the rest."
    return f"Here attackers learned from {train} people and were judged on {test} others."


def controls(report: Report) -> str:
    """How the questions with known answers came out."""
    results = [control_result(*each) for each in each_control(report)]
    if not results:
        return ""
    return (
        "<p>Questions whose answer is known beforehand were put to the same attackers: a planted leak that they must "
        f"find, and shuffled labels that nobody can tell.</p>{bullets(results)}"
    )


def each_control(report: Report) -> Iterator[tuple[str, str, Item]]:
    """Source, name and what was found."""
    for source, items in report["controls"].items():
        for name, item in items.items():
            yield source, name, item


def control_result(source: str, name: str, item: Item) -> str:
    """How one control came out, in a sentence."""
    return f"<strong>{escape(name)} labels, {escape(source)}</strong>: {escape(item['words'])}."


def attackers(report: Report) -> str:
    """Every figure of every attacker, folded away."""
    titles = {"Concealed": "concealed", "Jointly": "joint", "Kept": "kept", "Undeclared": "undeclared"}
    groups = {
        title: [(name, source, item[source]) for name, item in report[part].items() for source in _sources({"": item})]
        for title, part in titles.items()
    }
    groups["Several codes"] = [
        (name, _count(releases), item) for releases, items in report["repeats"].items() for name, item in items.items()
    ]
    groups["Controls"] = [(name, source, item) for source, name, item in each_control(report)]
    return "".join(_group(title, rows) for title, rows in groups.items() if rows)


def _group(title: str, group: Sequence[tuple[str, str, Item]]) -> str:
    rows = [
        [escape(name), what, escape(one["attacker"]), cell(*decisive(one)[1:]), other_metrics(one)]
        for name, what, item in group
        for one in item["attackers"]
    ]
    head = ["", "reads", "attacker", "balanced accuracy, or R²", "also"]
    return f"<details><summary>{title}: the figures of each attacker</summary>{table(head, rows)}</details>"


def _sources(items: Mapping[str, Item]) -> list[str]:
    """What any of these attributes was read from."""
    return [source for source in SOURCES if any(source in item for item in items.values())]


def _excess(item: Item) -> str:
    return cell(item["excess"]["value"], item["excess"]["ci95"])


def _margin(report: Report) -> str:
    return f"{100 * report['margin']:g} points"
