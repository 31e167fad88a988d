"""Tests: one file a room; the lab of loopback mirrors in ``lab/``; edits as files in ``golden/``."""
