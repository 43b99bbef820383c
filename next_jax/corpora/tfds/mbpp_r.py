"""TFDS dataset `mbpp_r`: repair tasks from MBPP, splits "train" and "dev"."""

from next_jax.corpora import mbpp_r
from next_jax.corpora.tfds import repair_builder


class MbppR(repair_builder.RepairBuilder):
  """MBPP-R: wrong solutions of MBPP problems, with tests and execution traces.

  Train has problems 601-974, dev 511-600. What is not built is built first, from the official file and with the
  defaults of `next_jax.corpora.mbpp_r.MbppR`. MBPP is under CC-BY-4.0.
  """

  CORPUS = mbpp_r.MbppR()
  SPLITS = ("train", "dev")
  HOMEPAGE = "https://github.com/google-research/google-research/tree/master/mbpp"
  CITATION = repair_builder.NEXT + """
@article{austin2021program,
  title={Program Synthesis with Large Language Models},
  author={Austin, Jacob and Odena, Augustus and Nye, Maxwell and Bosma, Maarten and Michalewski, Henryk and Dohan, David
    and Jiang, Ellen and Cai, Carrie and Terry, Michael and Le, Quoc and others},
  journal={arXiv:2108.07732},
  year={2021}
}"""
