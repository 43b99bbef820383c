"""Program in, verdict out: the only room that runs untrusted code."""
