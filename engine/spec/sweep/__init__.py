"""The file of a sweep: a spec with lists in it, which make a grid."""
