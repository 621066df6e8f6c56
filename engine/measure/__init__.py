"""What a network costs, counted, and the machine that its numbers were measured on."""
