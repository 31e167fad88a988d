"""What do the readers do with bytes that nobody would send? See README.md."""
