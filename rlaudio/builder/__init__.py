"""The one builder: it turns a recipe into the objects that the packages take.

Code that trains, evaluates, labels or pretrains receives models, workers, settings and functions made here,
and does not read recipes.
"""
