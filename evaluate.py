"""Audits a run: `conceal evaluate`, from a checkout."""

import sys

from conceal_jax.commands.main import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
