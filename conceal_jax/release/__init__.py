"""Releases of a trained run: `photos.py` reads a photo, `encode.py` makes its code, `concealer.py` is for users."""
