"""The dashboard's frame and what its pages share. No torch in here."""
