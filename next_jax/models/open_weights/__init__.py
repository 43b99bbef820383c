"""Other people's weights, in and out: Hugging Face's directories, GGUF files, tokenizers."""
