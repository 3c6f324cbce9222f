"""What the documents name exists: links, commands with their options, fields, modules, floors."""

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest

from conceal_jax.commands.arguments import parse_arguments
from conceal_jax.commands.main import COMMANDS
from conceal_jax.config import Config
from tests.test_layout import FLOORS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in DOCUMENTS}
EVERYTHING = "\n".join(TEXTS.values())

FIELD = r"[a-z_]+(?:\.[a-z_]+)?"
MOST_WORDS = 12_000
MOST_LINES = {"docs/results.md": 150, "docs/performance.md": 60}


def anchors(path: Path) -> set[str]:
    """The names that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands() -> list[str]:
    """Every `conceal ...` in a block of code or between backticks, in one line."""
    joined = re.sub(r"\\\n\s*", " ", EVERYTHING)
    return re.findall(r"(?:^ *|`|srun |' *\n? *|[A-Z_]+=\d )(conceal [a-z]+ [^`\n]*)", joined, re.MULTILINE)


def parse(command: str, arguments: list[str]) -> None:
    """Parses a command line as `conceal` does; what it does not know ends in SystemExit."""
    parser = argparse.ArgumentParser()
    importlib.import_module(f"conceal_jax.commands.{command}").add_arguments(parser)
    parse_arguments(parser, arguments)


def field_exists(name: str) -> bool:
    """Whether a dotted name leads to a field of the configuration."""
    node: object = Config
    for part in name.split("."):
        fields = getattr(node, "__dataclass_fields__", {})
        if part not in fields:
            return False
        node = fields[part].type
    return True


@pytest.mark.parametrize("path", TEXTS, ids=str)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXTS[path])
    for link in (link for link in links if "://" not in link):
        file, _, anchor = link.partition("#")
        target = (ROOT / path).parent / file if file else ROOT / path
        assert target.exists(), f"{path} links to {link}"
        assert not anchor or anchor in anchors(target), f"{path} links to {link}"


def test_commands_and_their_options_exist() -> None:
    found = commands()
    assert len(found) > 20
    for line in found:
        _, command, *arguments = shlex.split(line.rstrip("'"), comments=True)
        assert command in COMMANDS, line
        parse(command, arguments)


def test_fields_of_the_configuration_exist() -> None:
    overridden = re.findall(rf"--config\.({FIELD})", EVERYTHING)
    sections = "data|model|objective|training|censor|penalty|adversary|evaluation"
    named = re.findall(rf"`((?:{sections})\.[a-z_]+)\b(?!\()", EVERYTHING)
    assert len(overridden) > 5
    assert len(named) > 20
    missing = {name for name in overridden + named if not (field_exists(name) or name.endswith(".py"))}
    assert not missing


def test_shipped_configurations_exist() -> None:
    named = re.findall(r"--config=(\w+)(?![\w.])", EVERYTHING) + re.findall(r"configs/(\w+)\.py", EVERYTHING)
    assert not {name for name in named if not (ROOT / "configs" / f"{name}.py").is_file()}


def test_modules_and_benchmarks_exist() -> None:
    rooms = "|".join(FLOORS)
    named = set(re.findall(rf"(?<![\w/])((?:{rooms})/[\w/]+\.py)", EVERYTHING))
    assert len(named) > 15
    assert not {name for name in named if not (ROOT / "conceal_jax" / name).is_file()}
    run = set(re.findall(r"python -m (benchmarks\.\w+)", EVERYTHING))
    assert not {name for name in run if not (ROOT / f"{name.replace('.', '/')}.py").is_file()}


def test_the_design_names_every_floor() -> None:
    design = TEXTS[Path("docs/design.md")]
    rows = re.findall(r"^\| (\d+) \| ([^|]*) \|", design, re.MULTILINE)
    floors = {unit: int(floor) for floor, units in rows for unit in re.findall(r"`(\w+)/?`", units)}
    assert floors == FLOORS


def test_the_documents_are_short() -> None:
    words = sum(len(text.split()) for path, text in TEXTS.items() if path.name != "CONTRIBUTING.md")
    assert words <= MOST_WORDS
    for path, most in MOST_LINES.items():
        assert TEXTS[Path(path)].count("\n") <= most
    for path, text in TEXTS.items():
        lines = [line for line in text.splitlines() if len(line) > 100 and "|" not in line]
        assert not lines, f"{path}: wrap {lines}"
