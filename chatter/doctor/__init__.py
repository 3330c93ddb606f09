"""`chatter doctor`: look at a server from outside in, and say what to change. It changes nothing itself."""
