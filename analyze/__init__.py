"""The numbers: what people's choices say of answers, of sources and of the people themselves."""
