"""The evaluation of a run: `evaluate.py` hands what a run releases of held-out people to the audit."""
