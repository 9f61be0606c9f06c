"""Card fraud: every transaction is scored inside payment authorization."""
