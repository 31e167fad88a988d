"""How do mirrorctl and its peers fare on networks that are written down? ``python -m bench.simulate``."""
