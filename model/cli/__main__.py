"""`python -m model.cli`: the offline commands where `lagem` is not installed."""

from model.cli import main

main()
