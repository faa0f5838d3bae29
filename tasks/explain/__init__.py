"""Shows marketers and sales, in Japanese, why a lead is where it is."""
