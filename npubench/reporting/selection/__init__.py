"""Does a chip do the job: requirements in, a verdict per chip and kind of figure out."""
