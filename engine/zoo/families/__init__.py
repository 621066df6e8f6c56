"""The families of networks: one file each that declares its models and how they are constructed. No torch."""
