"""The web client: pages rendered with Jinja and ES modules served as they are."""
