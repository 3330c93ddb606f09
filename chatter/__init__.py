"""The app: settings, command line and composition of the other packages."""
