"""Fine-tuning, sampling and scoring: the interface, and what the engines share."""
