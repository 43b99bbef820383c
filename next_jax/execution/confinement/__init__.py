"""What the kernel keeps a program from doing."""
