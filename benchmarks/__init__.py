"""What `docs/performance.md` says, measured: one file for each row of the table, peers in the same run."""
