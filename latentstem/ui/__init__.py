"""Web page of `latentstem ui`, served by this machine for this machine, without requests to others."""
