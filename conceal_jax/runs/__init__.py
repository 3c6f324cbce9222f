"""The run directory: `plan.py` says which stages a run has, `trained.py` reads what inference needs."""
