"""From a repair task to text, and from a completion to rationale and fix; SeqIO tasks over both."""
