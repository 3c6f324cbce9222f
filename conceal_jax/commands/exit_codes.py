"""What the exit status of `conceal` says."""

import enum


class ExitCode(enum.IntEnum):
    """Exit status; 2, a wrong command line, is argparse's."""

    DONE = 0
    """All is done."""

    FAILED = 1
    """Nothing could be done; a line on standard error says why, and what to do."""

    SKIPPED = 3
    """All is done but for files that could not be used; they are listed with their reasons."""

    INTERRUPTED = 130
    """Stopped by Ctrl-C or SIGTERM; what is there is whole, and the same command goes on."""
