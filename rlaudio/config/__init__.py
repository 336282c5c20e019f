"""Recipes: their keys, how files are laid over each other, and the plug-ins that they name.

recipe.py        reads a recipe: its file, those that it extends, what is laid over it
layers.py        one layer of a recipe laid over another; where they name plug-ins
common_data.py   `data.common`
schema.py        every key; sections.py: those of each section; problems.py: what is wrong, as text
plugins.py       a plug-in with its options, checked; finding.py: its file
signatures.py    name and options in its source text; annotations.py: their types
option_values.py values of options as those types; reward_styles.py: rewards of other trainers
plugin_files.py  imports a user's file; shipped.py: what ships; names.py: what a name may be
data_sets.py     data sets as commands name them; resumed_recipe.py: which recipe a resumed run goes on with
"""
