"""Recipes: their keys, how files are laid over each other, and the plug-ins that they name."""
