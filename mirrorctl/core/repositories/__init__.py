"""Repositories files: what stands in them, what each generation of apk reads, and how they are changed without harm."""
