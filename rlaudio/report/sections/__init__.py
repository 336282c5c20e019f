"""What each section of the page shows, made from the files of a run; no markup but the charts."""
