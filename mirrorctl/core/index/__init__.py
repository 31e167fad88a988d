"""The index of a repository: is it one that apk would take, who signed it, how old is it?"""
