"""Logs that other programs wrote: which files of a folder are read, and the rows that come of them."""
