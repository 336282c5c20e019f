"""Judges that ship: how good is an answer, as a model says?"""
