"""The page to play with, `latentstem ui`: served by this machine, for this machine, with nothing from elsewhere."""
