"""Recipes: from nothing to weights that ship, each in one command."""
