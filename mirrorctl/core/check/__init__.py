"""Are the repositories that a system has in order?"""
