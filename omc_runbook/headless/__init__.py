"""Running a notebook headlessly, and keeping its record."""
