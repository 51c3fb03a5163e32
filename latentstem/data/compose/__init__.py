"""The composer of the band corpus: songs with everything known about them, from a seed."""
