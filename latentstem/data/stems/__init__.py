"""Folders of stems: their layouts, random crops of them, and what is wrong with them."""
