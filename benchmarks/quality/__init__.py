"""How good stems are, and what each part of the method brings to that."""
