"""The sources of claims, one file each: `SOURCES` is what it makes claims about, as plain data."""
