"""The Flax network, vocabularies, and the shipped base model."""
