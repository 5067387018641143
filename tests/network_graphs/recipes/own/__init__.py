"""Networks written from their papers, or after the code that their paper names; each names it. Layers alone: no weights."""
