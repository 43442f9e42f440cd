"""Measures of Clary beside its peers; `make bench` runs them and writes docs/performance.md. One file, one measure."""
