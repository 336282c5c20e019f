"""Ways to measure audio contribution: one file each, `contribution.use` names it."""
