"""How the command lines log."""

import logging


def configure_logging() -> None:
    """Sends this project's messages to standard error with the time of day, and leaves out the libraries' chatter."""
    # force: importing absl has already given the root logger a handler.
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True)
    # JAX logs every backend that it looks for and does not find, Matplotlib that it lists the fonts.
    for library in ("jax", "matplotlib"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # Orbax logs every save in a dozen lines, and the traces of errors that it then raises.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
