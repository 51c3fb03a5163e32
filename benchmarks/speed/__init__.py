"""How fast the parts are, beside other libraries and over the length."""
