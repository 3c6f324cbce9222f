"""The report of an audit: `schema.py` is its form, `assemble.py` fills it, `html_report.py` writes the page."""
