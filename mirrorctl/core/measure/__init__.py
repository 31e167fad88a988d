"""Measuring: what is planned, who is looked at next, what was seen, and what it means in seconds of apk's work."""
