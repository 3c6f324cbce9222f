"""Flax modules: encoder, bottleneck, labels joined with the code (`join_labels.py`), decoder, censor, adversaries."""
