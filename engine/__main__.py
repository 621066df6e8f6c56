"""`python -m engine …`: the command `espalier`, for a checkout that was not installed."""

from engine.cli.main import console

if __name__ == "__main__":
    console()
