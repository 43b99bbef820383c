"""The corpora as TFDS datasets.

    import next_jax.corpora.tfds.mbpp_r
    import tensorflow_datasets as tfds
    dataset, info = tfds.load("mbpp_r", split="train", with_info=True)

or `tfds build next_jax/corpora/tfds/mbpp_r.py`. They serve what `next-jax build` has built.
"""
