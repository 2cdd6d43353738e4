"""The files of a checkout of the application: Settings, .env template, compose files; parsed, never run."""
