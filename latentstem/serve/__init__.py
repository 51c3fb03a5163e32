"""A server of stems for other programs, such as a digital audio workstation (REST)."""
