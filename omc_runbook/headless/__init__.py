"""Running a notebook headlessly."""
