"""From samples to figures: statistics, stability, accuracy, and the inputs that models are fed."""
