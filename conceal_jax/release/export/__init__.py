"""A trained run as a folder to hand on, with programs for other runtimes and a model card."""
