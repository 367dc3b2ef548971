"""One list of cases per kernel, shared by its test and its benchmark: cases/<stem>.py."""
