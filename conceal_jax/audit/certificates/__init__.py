"""Certificates: bounds on the accuracy of every attacker."""
