"""The catalog: which mirrors there are, read from layers of TOML, brought up to date from published lists."""
