"""The layout holds: floors of imports, homes of heavy libraries, sizes, no pickle (docs/design.md)."""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "conceal_jax"

# A unit (a module or a package directly under conceal_jax) imports only from floors below its own number, or,
# without a cycle, from its own floor.
FLOORS = {
    "version": 0,
    "runtime": 1,
    "attributes": 2,
    "config": 3,
    "plots": 3,
    "data": 4,
    "models": 4,
    "losses": 5,
    "runs": 5,
    "training": 6,
    "audit": 7,
    "release": 7,
    "evaluation": 8,
    "research": 9,
    "commands": 10,
}

# Where alone these may be imported: they are heavy, often missing, or the place to look when they change.
HOMES = {
    "tensorflow": "data",
    "tensorflow_datasets": "data",
    "orbax": "runs/checkpoint.py",
    "jinja2": "audit/report/templating.py",
    "matplotlib": "plots",
    "cv2": "release/faces.py",
    "pyarrow": "release/jobs/shards.py",
    "safetensors": "runs/parameters.py",
    "jax2onnx": "release/export/programs.py",
    "onnxruntime": "release/export/programs.py",
    "gradio": "release/page/page.py",
    "jax.pmap": "runtime/parallel.py",
}

# Flax documents them.
FLAX_METHODS = {"setup"}

PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Dotted names a module imports, `jax.pmap` wherever it is spelt out, anywhere in the module."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=str(module), names=aliases, level=0):
                yield from (f"{module}.{alias.name}" for alias in aliases)
            case ast.ImportFrom():
                raise ValueError(f"line {node.lineno}: a relative import; write the full name")
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name
            case ast.Attribute(value=ast.Name(id="jax"), attr="pmap"):
                yield "jax.pmap"


def is_within(name: str, library: str) -> bool:
    return f"{name}.".startswith(f"{library}.")


@functools.cache
@functools.cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def unit_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def units_imported(path: Path) -> set[str]:
    """Units that a module imports, other than its own; every one may ask for the version."""
    names = set(imported_names(parse(path))) - {"conceal_jax.__version__"}
    parts = [name.split(".") for name in names if is_within(name, "conceal_jax")]
    return {part[1] if len(part) > 1 else "conceal_jax" for part in parts} - {unit_of(path)}


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
ENTRY_POINTS = [ROOT / "train.py", ROOT / "evaluate.py"]
SCRIPTS = [path for folder in ("configs", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
SHIPPED = [PACKAGE / "__init__.py", *MODULES, *ENTRY_POINTS, *SCRIPTS]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f():\n    import tensorflow as tf", {"tensorflow"}),
        ("from orbax import checkpoint", {"orbax.checkpoint"}),
        ("importlib.import_module('matplotlib.pyplot')", {"matplotlib.pyplot"}),
        ("step = jax.pmap(f)", {"jax.pmap"}),
        ("from jax import pmap", {"jax.pmap"}),
        ("x = 'import tensorflow'", set()),
    ],
)
def test_every_way_to_import_is_seen(source: str, names: set[str]) -> None:
    assert set(imported_names(ast.parse(source))) == names


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_a_module_imports_only_from_the_floors_before_its_own(path: Path) -> None:
    assert unit_of(path) in FLOORS, "a new unit: give it a floor in FLOORS and in docs/design.md"
    later = {unit for unit in units_imported(path) if FLOORS.get(unit, 99) > FLOORS[unit_of(path)]}
    assert not later, f"{label(path)} on floor {FLOORS[unit_of(path)]} imports {sorted(later)}"


def test_units_do_not_import_each_other_in_a_circle() -> None:
    imports: dict[str, set[str]] = {}
    for path in MODULES:
        imports.setdefault(unit_of(path), set()).update(units_imported(path))
    # Raises CycleError, which names the circle, where there is one.
    assert set(TopologicalSorter(imports).static_order()) >= imports.keys()


@pytest.mark.parametrize("path", SHIPPED, ids=label)
def test_heavy_libraries_stay_at_home(path: Path) -> None:
    names = list(imported_names(parse(path)))
    for library, home in HOMES.items():
        if not path.is_relative_to(PACKAGE / home):
            strays = [name for name in names if is_within(name, library)]
            assert not strays, f"{label(path)} imports {strays}: only conceal_jax/{home} may"


@pytest.mark.parametrize("path", SHIPPED, ids=label)
def test_nothing_is_pickled(path: Path) -> None:
    tree = parse(path)
    assert not PICKLES & {name.split(".")[0] for name in imported_names(tree)}
    keywords = [node for node in ast.walk(tree) if isinstance(node, ast.keyword)]
    allowed = [k for k in keywords if k.arg == "allow_pickle" and not is_false(k.value)]
    assert not allowed, f"{label(path)} line {allowed[0].value.lineno} allows pickles"


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize("path", [*SHIPPED, *TESTS], ids=label)
def test_files_are_short(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    limit = 70 if path in ENTRY_POINTS else 300 if path.is_relative_to(PACKAGE) else 350
    assert lines <= limit, f"{label(path)} has {lines} lines: split it"


@pytest.mark.parametrize("path", [*SHIPPED, *TESTS], ids=label)
def test_functions_are_short_and_take_few_parameters(path: Path) -> None:
    limit = 60 if path.is_relative_to(PACKAGE) else 80
    for function in functions(parse(path)):
        where = f"{label(path)}: {function.name}"
        assert length(function) <= limit, f"{where} has {length(function)} lines: split it"
        count = parameter_count(function)
        assert count <= 8 or path in TESTS, f"{where} has {count} parameters: join some in a dataclass"


def test_most_functions_of_the_package_fit_in_eight_lines() -> None:
    assert median(length(function) for path in MODULES for function in functions(parse(path))) <= 8


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_public_names_have_docstrings_and_return_types(path: Path) -> None:
    for name, node in public_definitions(parse(path)):
        if node.name not in FLAX_METHODS:
            assert ast.get_docstring(node), f"{label(path)}: {name} has no docstring"
        if not isinstance(node, ast.ClassDef):
            assert node.returns is not None, f"{label(path)}: {name} has no return type"


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def length(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def parameter_count(function: Function) -> int:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return len(named) + sum(part is not None for part in (arguments.vararg, arguments.kwarg))


def public_definitions(
    node: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Public functions, classes and methods, with their dotted names."""
    for child in node.body:
        if isinstance(child, Function | ast.ClassDef) and not child.name.startswith("_"):
            yield prefix + child.name, child
            if isinstance(child, ast.ClassDef):
                yield from public_definitions(child, f"{prefix}{child.name}.")


def test_the_import_is_light() -> None:
    loaded = loaded_by("conceal_jax")
    assert "conceal_jax" in loaded
    assert not {"tensorflow", "matplotlib"} & loaded


def test_tensorflow_is_loaded_by_no_module_outside_data() -> None:
    outside = [path for path in MODULES if unit_of(path) != "data"]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in outside]
    loaded = loaded_by(*names)
    assert set(names) <= loaded
    assert not {"tensorflow", "tensorflow_datasets"} & loaded


def loaded_by(*modules: str) -> set[str]:
    """What a fresh interpreter has loaded after importing the modules."""
    code = f"import sys, importlib; [importlib.import_module(m) for m in {modules}]; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.split())
