"""How does mirrorctl fare on a network of real sockets and real distances? ``python -m bench.netlab.run``."""
