"""Networks as people have them: links that lose, delay and queue, and browsers behind them."""
