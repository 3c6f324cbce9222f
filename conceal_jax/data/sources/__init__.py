"""One module for each source of pictures and labels; `open.py` dispatches to them."""
