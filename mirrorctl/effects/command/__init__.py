"""How is a command run as if we were not there?"""
