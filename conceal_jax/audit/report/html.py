"""The report as one self-contained web page that a privacy officer can read."""

from collections.abc import Mapping
from html import escape
from string import Template

from conceal_jax.audit.report import sections
from conceal_jax.audit.report.markup import bullets, figure, listing
from conceal_jax.audit.report.sections import Report

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; background: #f4f6f8; margin: 0 }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; background: #fff }
h1 { font-size: 1.7rem; margin: 0 0 .3rem } h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem }
p, li { max-width: 46rem } li { margin: .35rem 0 } .quiet { color: #616e7c } .lead { font-size: 1.08rem }
.wide { overflow-x: auto } table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .7rem; text-align: right; border-bottom: 1px solid #e4e7eb; white-space: nowrap }
th:first-child, td:first-child { text-align: left } th { font-weight: 600 } td { vertical-align: top }
td small { display: block; color: #616e7c }
.also { white-space: normal; text-align: left; min-width: 15rem }
figure { margin: 1rem 0; overflow-x: auto } figcaption { color: #616e7c; font-size: .92rem; margin-top: .3rem }
img { max-width: 100%; height: auto } details { margin: .6rem 0 } summary { cursor: pointer; color: #2f6db5 }
.alarm, .warning { border-left: .4rem solid #b3261e; background: #fdecea; padding: .6rem 1rem; margin: 1rem 0 }
.warning { border-color: #d99000; background: #fff6e0 } .alarm p, .warning p { margin: .2rem 0 }
.badge { border-radius: .3rem; padding: .1rem .5rem; font-weight: 600; white-space: nowrap }
.hidden { background: #d8f0df; color: #12522a } .undecided { background: #e4e7eb; color: #323f4b }
.weakened { background: #ffe9b8; color: #6b4700 } .readable { background: #f9d4d0; color: #7d1610 }
"""

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What is concealed, and how well</title>
<style>$style</style>
</head>
<body>
<main>
<h1>What is concealed, and how well</h1>
<p class="quiet">$provenance</p>
$alarms
<p class="lead">$lead</p>
$sections
</main>
</body>
</html>
""")


def render_page(report: Report, images: Mapping[str, bytes], captions: Mapping[str, str]) -> str:
    """The text of report.html.

    Args:
        report: as `conceal_jax.audit.report.assemble.assemble` makes it.
        images: PNG files by name; "leakage" and the picture grids.
        captions: of the picture grids, by name.
    """
    contents = {
        "How well each attribute is hidden": sections.concealed(report, images["leakage"]),
        "What no attacker can exceed": sections.certificates(report),
        "What is not promised": sections.NOT_PROMISED,
        "Several codes of one photo": sections.repeats(report),
        "What is kept": sections.kept(report),
        "Asking for an attribute": sections.asked_for(report),
        "What nobody declared": sections.undeclared(report),
        "Who is on the photo": sections.identity(report),
        "Pictures": "".join(figure(images[name], caption) for name, caption in captions.items()),
        "From whom": sections.recipients(report),
        "Controls": sections.controls(report),
        "Every attacker": sections.attackers(report),
    }
    return PAGE.substitute(
        style=STYLE,
        provenance=_provenance(report),
        alarms=_failures(report) + _warnings(report),
        lead=_lead(report),
        sections="\n".join(f"<h2>{title}</h2>\n{content}" for title, content in contents.items() if content),
    )


def _provenance(report: Report) -> str:
    details = [f"conceal_jax {report['version']}"]
    details += [f"{key} {report[key]}" for key in ("step", "seed") if key in report]
    if "seconds" in report:
        details.append(f"measured in {report['seconds']:.0f} seconds")
    return escape(" · ".join(details))


def _failures(report: Report) -> str:
    failed = [each for each in sections.each_control(report) if not each[2]["passed"]]
    if not failed:
        return ""
    results = bullets([sections.control_result(*each) for each in failed])
    return f'<div class="alarm"><p><strong>A control failed: do not rely on these figures.</strong></p>{results}</div>'


def _warnings(report: Report) -> str:
    if not report["warnings"]:
        return ""
    return (
        f'<div class="warning"><p><strong>Warnings</strong></p>{bullets(list(map(escape, report["warnings"])))}</div>'
    )


def _lead(report: Report) -> str:
    hidden = f"To be hidden: <strong>{listing(report['concealed'])}</strong>."
    kept = f" To stay readable: <strong>{listing(report['kept'])}</strong>." if report["kept"] else ""
    return f"{hidden}{kept} Released, and attacked here: <strong>{sections.released(report)}</strong>."
