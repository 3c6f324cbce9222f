"""Labels: tables of them, extra tables joined by file name, and columns that no attribute declares."""
