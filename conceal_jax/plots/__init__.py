"""Grids of pictures, bars and curves as PNGs; matplotlib is imported here alone."""
