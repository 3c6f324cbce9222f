"""Losses: the ELBO, the adversaries' charge, payments for what is kept, and closed-form penalties."""
