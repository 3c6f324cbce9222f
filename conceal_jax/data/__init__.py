"""Data: sources of labelled pictures, their labels and splits, and the batches that training reads."""
