"""How do files name another mirror for a while, and hold afterwards what they held?"""
