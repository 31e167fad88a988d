"""``python -m mirrorctl``."""

from mirrorctl.cli import main

if __name__ == "__main__":
    main()
