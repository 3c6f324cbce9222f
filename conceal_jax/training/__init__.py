"""Training: `loop.py` runs the stages of `stages.py`, each with a pure step of its own."""
