"""One operation, one handler: what each operation of a network does to channel identities."""
