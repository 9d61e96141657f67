"""Bring your own shop: how a shop's files become the landing contracts, as one YAML file says.

`mapping.py` loads the file, `source.py` applies it to rows, `init_shop.py` writes a first one, `check_shop.py`
tries it before anything is loaded. See docs/your-shop.md.
"""
