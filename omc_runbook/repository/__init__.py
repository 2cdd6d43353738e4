"""The application's own files, read as what they are: no import, no execution."""
