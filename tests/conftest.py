"""Eight virtual CPU devices, and shape checks of every annotated function, in all tests."""

import os
import tempfile

import hypothesis
import jax
from jaxtyping import install_import_hook

import tests.typechecking

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_platforms", "cpu")
# Many tests compile the same small programs; those in processes of their own find this cache by the environment.
_cache = tempfile.TemporaryDirectory(prefix="conceal_jax_tests_")
jax.config.update("jax_compilation_cache_dir", _cache.name)
os.environ["JAX_COMPILATION_CACHE_DIR"] = _cache.name
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)

install_import_hook("conceal_jax", f"{tests.typechecking.__name__}.check").__enter__()

# The first example of a property test compiles.
hypothesis.settings.register_profile("project", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("project")
