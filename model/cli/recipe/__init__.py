"""`lagem train recipe`: a whole training of a model as one file.

A recipe names data, models and settings; each of its stages is one of the other commands, run in
this process with the options that the recipe states.
"""
