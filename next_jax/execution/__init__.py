"""Program in, verdict out; the only room that runs code that nobody trusts."""
