"""Recipes: their keys, how files are laid over each other, and the plug-ins that they name.

recipe.py         reads a recipe: its file, those that it extends, what is laid over it
layers.py         one layer of a recipe laid over another; where they name plug-ins
common_data.py    `data.common`; resumed_recipe.py: which recipe a resumed run goes on with
schema.py         every key; sections.py: those of each section; problems.py: what is wrong, as text
plugins.py        a plug-in with its options, checked; finding.py: its file; shipped.py: those that ship
signatures.py     name and options in its source text; annotations.py: their types
option_values.py  values of options as those types; reward_styles.py: rewards of other trainers
importing.py      imports a user's file
"""
