"""Attackers, one family a module: `attacker.py` is their protocol, `suite.py` lists them."""
