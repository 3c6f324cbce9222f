"""Eight virtual CPU devices, and shape checks of every annotated function, in all tests."""

import os
import tempfile

import hypothesis
import jax
import numpy as np
import pytest
from jaxtyping import install_import_hook

import tests.typechecking

jax.config.update("jax_num_cpu_devices", 8)
# See `give_devices_threads`.
os.environ["NPROC"] = "16"
# Most of the tests' time goes into compiling programs that then run for a moment.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
jax.config.update("jax_platforms", "cpu")
# Many tests compile the same small programs. All processes share one cache by the environment, pytest's workers
# among them: the process that starts them makes it, and removes it at its end.
if "CONCEAL_JAX_TEST_CACHE" not in os.environ:
    _cache = tempfile.TemporaryDirectory(prefix="conceal_jax_tests_")
    os.environ["CONCEAL_JAX_TEST_CACHE"] = os.environ["JAX_COMPILATION_CACHE_DIR"] = _cache.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
jax.config.update("jax_compilation_cache_dir", os.environ["CONCEAL_JAX_TEST_CACHE"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

install_import_hook("conceal_jax", f"{tests.typechecking.__name__}.check").__enter__()

# The first example of a property test compiles.
hypothesis.settings.register_profile("project", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("project")


LONGEST = ("test_end_to_end.py", "test_loop.py", "test_censor_step.py", "test_concealment.py")
"""Files of few tests that take minutes. Begun last, they would leave other processes idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="module", autouse=True)
def _free_programs():
    """Each compiled program keeps dozens of memory mappings. Linux allows a process 65,530; with no more of them, XLA
    aborts. The compilation cache makes it cheap to load again what another module needs, too."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """The directory of a run whose parameters were drawn, not trained: that takes seconds instead of a minute."""
    # Not above: the hook has to be there before the package is imported.
    from conceal_jax.config import files as config_files
    from conceal_jax.models.vae import create_model, init_params
    from conceal_jax.runs import run_directory
    from conceal_jax.runs.parameters import save_parameters

    config = config_files.load_config("configs/demo.py:shrunken", {"censor.steps": "0"})
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    run_directory.open_run(config, workdir)
    config_files.save(config, workdir / run_directory.CONFIG)
    config.attributes.save(workdir / run_directory.ATTRIBUTES)
    params = init_params(create_model(config), config, jax.random.key(0))
    # Fresh decoders paint every code grey.
    generator = np.random.default_rng(0)
    drawn = jax.tree.map(lambda leaf: leaf + generator.normal(0, 0.1, leaf.shape).astype(leaf.dtype), params)
    save_parameters(workdir / run_directory.PARAMETERS, drawn, config, step=2, stage="autoencoder")
    return workdir
