"""What ~/.ssh/config says about a host, as OpenSSH's ssh_config(5) reads it."""
