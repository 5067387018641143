"""The HTML page and the server that shows it."""
