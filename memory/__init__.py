"""Rule memory, case memory and their retrieval index."""
