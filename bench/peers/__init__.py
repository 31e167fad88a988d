"""How do others choose a mirror? Models of their strategies, for both labs."""
