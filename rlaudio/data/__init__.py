"""Data sets, one file each: a function that gives questions. A new data set goes here."""
