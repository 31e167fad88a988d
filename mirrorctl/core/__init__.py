"""Decides: pure functions over frozen values. No I/O; time is an argument. Kept so by the import contract."""
