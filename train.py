"""Trains a run: `conceal train`, from a checkout."""

import sys

from conceal_jax.commands.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
