"""Conceal attributes in images: learn codes and pictures that no longer tell what must be hidden."""

__version__ = "0.1.0"
