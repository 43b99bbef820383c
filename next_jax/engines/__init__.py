"""Fine-tuning, sampling and scoring; what the engines share."""
