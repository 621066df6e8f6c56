"""A sweep: many runs under one name, of which none is done twice and none is lost."""
