"""What backends share whose tools run apart: an environment of their own and one worker script in it."""
