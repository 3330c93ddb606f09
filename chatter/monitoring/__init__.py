"""What is known of the calls that run: sampled at a low rate, for metrics and for operators."""
