"""The running monitor: the ordered stage of each source, teaching from references, and watching."""
