"""The commands of `conceal`, one a module; `main.py` dispatches to them by name."""
